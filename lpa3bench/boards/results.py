"""A board's `results/` as they are, and what becomes of records that are offered to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lpa3bench.boards.definition import Definition
from lpa3bench.boards.placing import (
    REPLICATIONS,
    Place,
    SeedRuns,
    in_order,
    places,
    strangers,
    why_elsewhere,
    why_refused,
)
from lpa3bench.errors import DataError
from lpa3bench.records import Record, find_records, read_record, searches
from lpa3bench.records.searches import Refuse, raised
from lpa3bench.records.slim import Slimmer


@dataclass
class Sorted:
    """What became of records that were offered to a board; refused ones with the reason."""

    taken: list[Record] = field(default_factory=list)
    known: list[Record] = field(default_factory=list)
    """The same runs are there already, and agree."""
    replications: list[Record] = field(default_factory=list)
    """Further runs of seeds that are there, in other surroundings."""
    refused: list[tuple[Path, str]] = field(default_factory=list)
    """They belong here, and are no results, or cannot be read."""
    aids: list[Path] = field(default_factory=list)
    """Of runs that were not made for their result: they are no evidence."""
    foreign: list[Record] = field(default_factory=list)
    """They belong to no cell of this board."""

    @property
    def readable(self) -> list[Record]:
        """All but the refused ones."""
        return [*self.taken, *self.known, *self.replications, *self.foreign]


def results_of(definition: Definition) -> Path:
    """Where the board's records lie: in its own folder, or in that of the board beside it whose it shows."""
    folder = definition.path.parent
    other = definition.records_of
    return (folder.resolve().parent / other if other else folder) / searches.BOARD_RECORDS


def stored(definition: Definition, refuse: Refuse = raised) -> list[Record]:
    """The board's records; none where it has no `results/`. Of another board's, those that have a place here.

    Args:
        refuse: takes what is wrong with a record that is damaged, or is called otherwise than
            `Record.file_name`; it is left out then.

    Raises:
        DataError: a record is refused, and `refuse` says no more; or the other board is not there.
    """
    results = results_of(definition)
    if definition.records_of and not results.parent.is_dir():
        raise DataError(f"{definition.path}: records_of: there is no board {results.parent}")
    folders = [folder for folder in (results, results / REPLICATIONS) if folder.is_dir()]
    records, slim = [], Slimmer()
    for path in find_records(folders):
        try:
            records.append(slim(_called_rightly(read_record(path, definition.current))))
        except DataError as error:
            refuse(error)
    return [record for record in records if not definition.records_of or places(definition, record)]


def _called_rightly(record: Record) -> Record:
    again = record.path.parent.name == REPLICATIONS
    name = record.replication_name if again else record.file_name
    if record.path.name != name:
        raise DataError(f"holds {record}, so it should be called {name}", path=record.path)
    return record


@dataclass
class Offered:
    """The records in some places, each read once, as a board would keep it: a condition on a path must hold
    before and after."""

    records: dict[Path, Record] = field(default_factory=dict)
    damaged: dict[Path, str] = field(default_factory=dict)
    """Why they cannot be read."""
    current: Callable[[str], str] = str
    """What a parameter is called now."""
    _slim: Slimmer = field(default_factory=Slimmer, repr=False)

    def read(self, paths: Iterable[Path]) -> None:
        """Read these, or read them again."""
        for path in paths:
            try:
                self.records[path] = self._slim.offered(read_record(path, self.current))
            except DataError as error:
                self.records.pop(path, None)
                self.damaged[path] = error.reason

    @property
    def results(self) -> list[Record]:
        """What is no result is left out."""
        return [record for record in self.records.values() if record.is_result]


def offered(places: Iterable[Path], current: Callable[[str], str] = str) -> Offered:
    """The records in these places: in records, run directories, or folders of them, see `find_records`.

    Args:
        current: what a parameter is called now.
        refuse: takes what is wrong with a damaged one.

    Raises:
        DataError: a place does not exist.
    """
    found = Offered(current=current)
    found.read(find_records(places))
    return found


def sort(
    definition: Definition,
    there: Sequence[Record],
    offered: Offered,
    doubt: Callable[[Record], str | None] = lambda record: None,
) -> Sorted:
    """Decide on every record that is offered; nothing is written.

    A cell takes records of one experiment: that of the records which it has, else that of all those offered
    for it, and none where these are of several.

    Args:
        there: records that the board has.
        doubt: what else tells that a record is wrong, in a few words; it is asked of those that have a place.

    Raises:
        DataError: a record that the board has belongs there no more.
    """
    result = Sorted(refused=[*offered.damaged.items()])
    fitting: dict[Place, list[Record]] = defaultdict(list)
    for path, record in offered.records.items():
        if not record.is_evidence:
            result.aids.append(path)
            continue
        found = places(definition, record)
        if not found:
            result.foreign.append(record)
        elif reason := why_refused(definition, record) or doubt(record):
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


def _choose(have: Sequence[Record], offered: Sequence[Record], result: Sorted) -> None:
    """Decide on the records that are offered for one cell."""
    model = have[0] if have else offered[0]
    other = next((record for record in offered if record.identity != model.identity), None)
    if other and not have:  # nothing tells which one is meant
        reason = f"the cell is offered several experiments, and takes none: {strangers(model, other)}"
        result.refused += [(record.path, reason) for record in offered]
        return
    runs = SeedRuns()
    for record in sorted(have, key=in_order):
        runs.add(record)
    fates = {"taken": result.taken, "known": result.known, "replication": result.replications}
    for record in sorted(offered, key=in_order):
        if record.identity != model.identity:
            result.refused.append((record.path, f"the cell holds another one: {strangers(model, record)}"))
            continue
        try:
            fates[runs.add(record)].append(record)
        except DataError as error:
            result.refused.append((record.path, str(error)))
