"""What taking records changes in a board's `results/`: made up before anything is written, all at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lpa3bench.boards.definition import Definition
from lpa3bench.boards.placing import REPLICATIONS
from lpa3bench.boards.results import results_of
from lpa3bench.errors import UsageError
from lpa3bench.records import Record, find_records, searches
from lpa3bench.records.private_paths import search_without_folders
from lpa3bench.records.searches import Searched
from lpa3bench.records.slim import file_text
from lpa3bench.runtime.files import Writer, text_writer


@dataclass(frozen=True)
class Intake:
    """Records, and the searches behind them, with the paths that they will have."""

    records: Sequence[Record]
    searches: Sequence[Searched]

    @property
    def files(self) -> dict[Path, Writer]:
        """What writes them, by path."""
        files = {record.path: partial(_write, record) for record in self.records}
        texts = {found.path: searches.search_text(found.data) for found in self.searches}
        return files | {path: text_writer(text) for path, text in texts.items()}


def intake(
    definition: Definition,
    records: Iterable[Record],
    searched: Mapping[str, Searched],
    *,
    replications: Iterable[Record] = (),
    known: Iterable[Record] = (),
) -> Intake:
    """These records and replications as the board will keep them: without the folders of who ran them.

    Args:
        searched: by the run's name; those of other runs are left out.
        known: records that the board has; a search behind one may have come after it.

    Raises:
        UsageError: the board shows the records of another one.
    """
    check_takes_records(definition)
    results = results_of(definition)
    paths = {results / record.file_name: record for record in records}
    paths |= {results / REPLICATIONS / record.replication_name: record for record in replications}
    kept = [replace(record, path=path) for path, record in paths.items()]
    behind = {
        found.path.name: Searched(
            search_without_folders(found.data), results / searches.SEARCH_FOLDER / found.path.name
        )
        for record in (*kept, *known)
        if (found := searched.get(str(record)))
    }
    return Intake(kept, [*behind.values()])


def check_takes_records(definition: Definition) -> None:
    """Raises UsageError where the board shows the records of another one."""
    if definition.records_of:
        raise UsageError(
            f"{definition.path}: shows the records of {definition.records_of}; add them there, and build "
            "this board without --from"
        )


def _write(record: Record, path: Path) -> None:
    text_writer(file_text(record))(path)  # made when it is its turn: together they would fill the memory


def drop_others(definition: Definition, kept: Collection[Path]) -> None:
    """Remove every record, replication and search of the board but these."""
    results = results_of(definition)
    old = [results / searches.SEARCH_FOLDER, results / REPLICATIONS]
    for path in {*find_records([results]), *(p for f in old for p in f.glob("*.json"))} - {*kept}:
        path.unlink()
