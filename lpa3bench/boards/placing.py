"""Which cell of a board a record belongs into, and what makes it unfit to stand there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from lpa3bench.boards.conditions import all_that_conditions_see, unscoped
from lpa3bench.boards.definition import Definition
from lpa3bench.errors import DataError
from lpa3bench.records import Record
from lpa3bench.stats.parity import (
    augmenters_that_differ,
    settings_that_differ,
    surroundings_that_decide,
)

Place = tuple[str, str]
"""The keys of a row and of a column."""
REPLICATIONS = "replications"
"""The folder in a board's `results/` for runs of seeds that it has, from other surroundings."""
DIFFERENCES_SHOWN = 4
"""Differences that one line names; more are counted."""


def places(definition: Definition, record: Record) -> list[Place]:
    """The planned cells whose conditions the record meets; more than one is a mistake in `board.toml`."""
    seen = all_that_conditions_see(record)
    if (known := definition.places.get(seen)) is None:
        known = definition.places[seen] = _places(definition, record)
    return known


def _places(definition: Definition, record: Record) -> list[Place]:
    if not definition.conditions.fit(record):
        return []
    rows = {row.key for row in definition.rows if definition.of_row[row.key].fit(record)}
    columns = {column.key for column in definition.columns if definition.of_column[column.key].fit(record)}
    return [
        (row.key, column.key)
        for row, column in definition.planned()
        if row.key in rows and column.key in columns
    ]


def why_elsewhere(definition: Definition, record: Record) -> str:
    """Why a record without a place has none."""
    if failed := definition.conditions.failed(record):
        return f"not of this board: {failed}"
    rows = [row.key for row in definition.rows if definition.of_row[row.key].fit(record)]
    columns = [column.key for column in definition.columns if definition.of_column[column.key].fit(record)]
    if rows and columns:
        return f"not of this board: {rows[0]} is not planned in {columns[0]}"
    return f"not of this board: it meets the conditions of no {'column' if rows else 'row'}"


def why_refused(definition: Definition, record: Record) -> str | None:
    """Why a record that has a place is no result there; None: it is one."""
    found = places(definition, record)
    if len(found) > 1:
        cells = " and ".join(f"{row} × {column}" for row, column in found)
        return f"it meets the conditions of {cells}; make those in {definition.path} narrower"
    if reason := record.no_result:
        return f"not a result: {reason}"
    if record.protocol_version != definition.protocol:
        return (
            f"it was trained and scored by protocol version {record.protocol_version}, "
            f"and the board is of version {definition.protocol}"
        )
    if definition.changed is not None and (strange := _strange(definition.changed, record)):
        return f"it changed what was published: {_some(strange)}; the board allows no such change"
    return None


def _strange(allowed: frozenset[str], record: Record) -> list[str]:
    """Parameters that the run changed from the published setting, and the board does not allow."""
    return sorted(name for name in record.changed if not {name, unscoped(name)} & allowed)


def strangers(one: Record, other: Record) -> str:
    """Why two records of one cell cannot be pooled, in words."""
    found = [*settings_that_differ(one, other), *augmenters_that_differ(one, other)]
    differences = _some(found) if found else "neither tells in what"
    return f"{one.identity} and {other.identity} are different experiments: {differences}"


def contradiction(one: Record, other: Record) -> str | None:
    """In what two records of one run disagree; None: in nothing that a rerun reproduces."""
    for name in sorted(one.metrics.keys() & other.metrics.keys()):
        ours, theirs = one.metrics[name].scores, other.metrics[name].scores
        for rule in sorted(ours.keys() & theirs.keys()):
            if ours[rule] != theirs[rule]:
                return f"metrics.{name}.{rule} is {ours[rule]} in one and {theirs[rule]} in the other"
    if one.data.correct != other.data.correct and one.correct != other.correct:
        return "they have different test images right"
    return None


def repeats(one: Record, other: Record) -> str | None:
    """Whether a record of a seed that is there already is a replication: a run in other surroundings.

    Where the surroundings are the same the two are one run, and None is returned. Records of schema 1 do not
    tell the kind of processor; such a one and another are the same run where they agree bit for bit.

    Raises:
        DataError: they ran in the same surroundings, and contradict each other.
    """
    differ = surroundings_that_decide(one, other)
    why = contradiction(one, other)
    if not differ:
        if why:
            raise DataError(f"contradicts {one.path}: {why}, and both ran in the same surroundings")
        return None
    known = one.surroundings[1] is not None and other.surroundings[1] is not None
    return None if why is None and not known else "; ".join(differ)


Fate = Literal["taken", "known", "replication"]


@dataclass
class SeedRuns:
    """The runs of one experiment: one of each seed, and further ones of it from other surroundings."""

    by_seed: dict[int, Record] = field(default_factory=dict)
    replications: dict[str, Record] = field(default_factory=dict)
    """By the name of their file: one of each seed and surroundings."""

    def add(self, record: Record) -> Fate:
        """Take a run of this experiment, the first of its seed as that of the seed; "known": it is there.

        Raises:
            DataError: another one from the same surroundings contradicts it.
        """
        if record.seed not in self.by_seed:
            self.by_seed[record.seed] = record
            return "taken"
        if not repeats(self.by_seed[record.seed], record):
            return "known"
        name = record.replication_name
        if name not in self.replications:
            self.replications[name] = record
            return "replication"
        kept = self.replications[name]
        if why := contradiction(kept, record):
            raise DataError(f"contradicts {kept.path}: {why}, and nothing tells their surroundings apart")
        return "known"


@dataclass(frozen=True)
class Placed:
    """The records of each cell."""

    runs: dict[Place, list[Record]]
    """By seed, one each."""
    replications: dict[Place, list[Record]]
    """Further runs of those seeds, in other surroundings."""


def by_cell(definition: Definition, records: Iterable[Record]) -> Placed:
    """The records of each cell; of several with one seed the first that was finished counts.

    Raises:
        DataError: one has no place, or is no result, or cannot be pooled with another one.
    """
    cells: dict[Place, SeedRuns] = defaultdict(SeedRuns)
    for record in sorted(records, key=in_order):
        found = places(definition, record)
        if not found:
            raise DataError(f"{record.path}: {why_elsewhere(definition, record)}")
        if reason := why_refused(definition, record):
            raise DataError(f"{record.path}: {reason}")
        mine = cells[found[0]]
        first = next(iter(mine.by_seed.values()), record)
        if first.identity != record.identity:
            raise DataError(f"{record.path}: cannot be pooled with {first.path}: {strangers(first, record)}")
        try:
            mine.add(record)
        except DataError as error:
            raise DataError(f"{record.path}: {error}") from error
    return Placed(
        {place: [*mine.by_seed.values()] for place, mine in cells.items()},
        {place: [*mine.replications.values()] for place, mine in cells.items() if mine.replications},
    )


def in_order(record: Record) -> tuple[int, bool, str, str, str]:
    """By seed; of one seed, what the board keeps as a replication last, then by the time of its end."""
    is_replication = record.path.parent.name == REPLICATIONS
    finished = record.data.provenance.finished
    return (record.seed, is_replication, finished, record.file_name, record.data.digest)


def _some(items: list[str]) -> str:
    more = len(items) - DIFFERENCES_SHOWN
    return "; ".join(items[:DIFFERENCES_SHOWN]) + (f"; and {more} more" if more > 0 else "")
