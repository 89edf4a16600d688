"""A board's `results/`: records taken from runs and from other machines, and read back."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lpa3bench.boards.definition import Definition
from lpa3bench.boards.placing import Place, contradiction, places, refusal, strangers, why_elsewhere
from lpa3bench.errors import DataError, UsageError
from lpa3bench.records import Record, find, load, load_all
from lpa3bench.records import searches as search
from lpa3bench.records.private_paths import search_without_folders, without_folders
from lpa3bench.records.searches import Searched
from lpa3bench.runtime.files import write_text


@dataclass
class Sorted:
    """What became of records that were offered to a board; refused and foreign ones with the reason."""

    taken: list[Record] = field(default_factory=list)
    known: list[Record] = field(default_factory=list)
    """The same runs are there already, and agree."""
    refused: list[tuple[Path, str]] = field(default_factory=list)
    """They belong here, and are no results, or cannot be read."""
    foreign: list[tuple[Path, str]] = field(default_factory=list)
    """They belong to no cell of this board."""


def results_of(definition: Definition) -> Path:
    """Where the board's records lie: in its own folder, or in that of the board beside it whose it shows."""
    folder = definition.path.parent
    other = definition.records_of
    return (folder.resolve().parent / other if other else folder) / search.BOARD_RECORDS


def stored(definition: Definition) -> list[Record]:
    """The board's records; none where it has no `results/`. Of another board's, those that have a place here.

    Raises:
        DataError: one of them is damaged, or is called otherwise than `Record.file_name`; or the other board
            is not there.
    """
    results = results_of(definition)
    if definition.records_of and not results.parent.is_dir():
        raise DataError(f"{definition.path}: records_of: there is no board {results.parent}")
    records = load_all([results]) if results.is_dir() else []
    for record in records:
        if record.path.name != record.file_name:
            raise DataError(f"{record.path}: holds {record}, so it should be called {record.file_name}")
    return [record for record in records if not definition.records_of or places(definition, record)]


def results(offered: Iterable[Path]) -> list[Record]:
    """The results among the records in these places; what is damaged or no result is left out.

    Raises:
        DataError: a place does not exist.
    """
    found = []
    for path in find(offered):
        with suppress(DataError):
            found.append(_offered(path))
    return [record for record in found if record.is_result]


def sort(definition: Definition, there: Sequence[Record], offered: Iterable[Path]) -> Sorted:
    """Decide on every record that is found in these places; nothing is written.

    A cell takes records of one experiment: that of the records which it has, else that of all those offered
    for it, and none where these are of several.

    Args:
        there: records that the board has.
        offered: records, run directories, or folders of them, as `records.find` takes them.

    Raises:
        DataError: a place does not exist, or a record that the board has belongs there no more.
    """
    result = Sorted()
    fitting: dict[Place, list[Record]] = defaultdict(list)
    for path in find(offered):
        try:
            record = _offered(path)
        except DataError as error:
            result.refused.append((path, error.reason))
            continue
        found = places(definition, record)
        if not found:
            result.foreign.append((path, why_elsewhere(definition, record)))
        elif reason := refusal(definition, record):
            result.refused.append((path, reason))
        else:
            fitting[found[0]].append(record)
    have: dict[Place, list[Record]] = defaultdict(list)
    for record in there:
        own = places(definition, record)
        if not own:
            raise DataError(
                f"{record.path}: {why_elsewhere(definition, record)}; remove it, or begin anew with "
                "--fresh --from PLACE"
            )
        have[own[0]].append(record)
    for place, records in fitting.items():
        _choose(have[place], records, result)
    return result


def _offered(path: Path) -> Record:
    """A record as it would be kept: a condition on a path must hold before and after.

    Raises:
        DataError: as `records.load`.
    """
    record = load(path)
    return replace(record, data=without_folders(record.data))


def _choose(have: Sequence[Record], offered: Sequence[Record], result: Sorted) -> None:
    """Decide on the records that are offered for one cell."""
    model = have[0] if have else offered[0]
    other = next((record for record in offered if record.identity != model.identity), None)
    if other and not have:  # nothing tells which one is meant
        reason = f"the cell is offered several experiments, and takes none: {strangers(model, other)}"
        result.refused += [(record.path, reason) for record in offered]
        return
    runs = {record.seed: record for record in have}
    for record in offered:
        if record.identity != model.identity:
            result.refused.append((record.path, f"the cell holds another one: {strangers(model, record)}"))
        elif record.seed not in runs:
            runs[record.seed] = record
            result.taken.append(record)
        elif why := contradiction(runs[record.seed], record):
            result.refused.append((record.path, f"contradicts {runs[record.seed].path}: {why}"))
        else:
            result.known.append(record)


def store(
    definition: Definition,
    records: Sequence[Record],
    searches: Mapping[str, Searched],
    *,
    alone: bool = False,
) -> None:
    """Write records into a board's `results/`, each whole or not at all, and the searches behind them.

    Args:
        searches: by the run's name; those of other runs are left out.
        alone: remove every other record there, after these are written.

    Raises:
        RunFailed: the disk refused it.
        UsageError: the board shows the records of another one.
    """
    if definition.records_of:
        raise UsageError(
            f"{definition.path}: shows the records of {definition.records_of}; add them there, and build "
            "this board without --from"
        )
    results = results_of(definition)
    results.mkdir(parents=True, exist_ok=True)
    written = store_searches(definition, records, searches)
    for record in records:
        path = results / record.file_name
        write_text(path, as_stored(record.data))
        written.add(path)
    if alone:
        for path in {*find([results]), *(results / search.FOLDER).glob("*.json")} - written:
            path.unlink()


def store_searches(
    definition: Definition, records: Iterable[Record], searches: Mapping[str, Searched]
) -> set[Path]:
    """Write the searches behind these records of a board, which may have come before them; the files."""
    behind = {
        searches[str(record)].path.name: searches[str(record)]
        for record in records
        if str(record) in searches
    }
    written = set()
    for name, searched in behind.items():
        path = results_of(definition) / search.FOLDER / name
        search.write(path, search_without_folders(searched.data))
        written.add(path)
    return written


def as_stored(data: dict[str, Any]) -> str:
    """A record as boards keep it: a line for each of its parts, without the folders of who ran it."""
    lines = (
        f"{json.dumps(name)}: {json.dumps(part, separators=(',', ':'), allow_nan=False)}"
        for name, part in without_folders(data).items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"
