"""What taking records changes in a board's `results/`: made up before anything is written, all at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lpa3bench.boards.definition import Definition
from lpa3bench.boards.placing import REPLICATIONS
from lpa3bench.boards.results import results_of
from lpa3bench.errors import UsageError
from lpa3bench.records import Record, find_records, searches
from lpa3bench.records.later_scores import (
    SCORES_FOLDER,
    LaterScores,
    scores_beside,
    scores_text,
    without_owner,
)
from lpa3bench.records.private_paths import search_without_folders
from lpa3bench.records.searches import Refuse, Searched
from lpa3bench.records.slim import file_text
from lpa3bench.runtime.files import Writer, text_writer


@dataclass(frozen=True)
class Intake:
    """Records, and the searches behind them, with the paths that they will have."""

    records: Sequence[Record]
    searches: Sequence[Searched]
    scores: Mapping[Path, LaterScores] = field(default_factory=dict)
    """What the weights of these runs, and of others that the board has, scored later."""

    @property
    def files(self) -> dict[Path, Writer]:
        """What writes them, by path."""
        files = {record.path: partial(_write, record) for record in self.records}
        texts = {found.path: searches.search_text(found.data) for found in self.searches}
        texts |= {path: scores_text(scores) for path, scores in self.scores.items()}
        return files | {path: text_writer(text) for path, text in texts.items()}


def intake(
    definition: Definition,
    records: Iterable[Record],
    searched: Mapping[str, Searched],
    *,
    replications: Iterable[Record] = (),
    known: Iterable[Record] = (),
    refuse: Refuse = searches.raised,
) -> Intake:
    """These records and replications as the board will keep them: without the folders of who ran them.

    Args:
        searched: by the run's name; those of other runs are left out.
        known: records that the board has; a search behind one, or its later scores, may have come after it.
        refuse: takes what is wrong with a file of later scores that is damaged, and left out then.

    Raises:
        UsageError: the board shows the records of another one.
    """
    check_takes_records(definition)
    results = results_of(definition)
    records, known = [*records], [*known]
    later = [one for record in (*records, *known) for one in scores_beside(record, refuse) if one.whole]
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
    return Intake(
        kept,
        [*behind.values()],
        {results / SCORES_FOLDER / one.board_name: without_owner(one) for one in later},
    )


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
    """Remove every record, replication, search and file of later scores of the board but these."""
    results = results_of(definition)
    old = [results / searches.SEARCH_FOLDER, results / REPLICATIONS, results / SCORES_FOLDER]
    for path in {*find_records([results]), *(p for f in old for p in f.glob("*.json"))} - {*kept}:
        path.unlink()
