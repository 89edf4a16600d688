"""Which cell of a board a record belongs into, and what makes it unfit to stand there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from lpa3bench.boards.conditions import unscoped
from lpa3bench.boards.definition import Definition
from lpa3bench.errors import DataError
from lpa3bench.records import Record
from lpa3bench.stats.parity import augmenters_that_differ, settings_that_differ

Place = tuple[str, str]
"""The keys of a row and of a column."""
DIFFERENCES_SHOWN = 4
"""Differences that one line names; more are counted."""


def places(definition: Definition, record: Record) -> list[Place]:
    """The planned cells whose conditions the record meets; more than one is a mistake in `board.toml`."""
    if not definition.conditions.fit(record):
        return []
    return [
        (row.key, column.key)
        for row, column in definition.planned()
        if definition.of_row[row.key].fit(record) and definition.of_column[column.key].fit(record)
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
    if not record.is_result:
        return "not a result: it was trained on a part of the images (--limit)"
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
    changed: list[str] = record.data["protocol"]["changed"]
    return sorted(name for name in changed if not {name, unscoped(name)} & allowed)


def strangers(one: Record, other: Record) -> str:
    """Why two records of one cell cannot be pooled, in words."""
    found = [*settings_that_differ(one, other), *augmenters_that_differ(one, other)]
    differences = _some(found) if found else "neither tells in what"
    return f"{one.identity} and {other.identity} are different experiments: {differences}"


def contradiction(one: Record, other: Record) -> str | None:
    """In what two records of one run disagree; None: in nothing that a rerun reproduces."""
    for name in sorted({*one.data["metrics"], *other.data["metrics"]}):
        if one.score(name) != other.score(name):
            return f"metrics.{name} is {one.score(name)} in one and {other.score(name)} in the other"
    if one.correct != other.correct:
        return "they have different test images right"
    return None


def by_cell(definition: Definition, records: Iterable[Record]) -> Mapping[Place, list[Record]]:
    """The records of each cell, by seed.

    Raises:
        DataError: one has no place, or is no result, or cannot be pooled with another one.
    """
    cells: dict[Place, dict[int, Record]] = defaultdict(dict)
    for record in sorted(records, key=lambda record: (record.seed, record.file_name)):
        found = places(definition, record)
        if not found:
            raise DataError(f"{record.path}: {why_elsewhere(definition, record)}")
        if reason := why_refused(definition, record):
            raise DataError(f"{record.path}: {reason}")
        mine = cells[found[0]]
        first = next(iter(mine.values()), record)
        if first.identity != record.identity:
            raise DataError(f"{record.path}: cannot be pooled with {first.path}: {strangers(first, record)}")
        if record.seed in mine and (reason := contradiction(mine[record.seed], record)):
            raise DataError(f"{record.path}: contradicts {mine[record.seed].path}: {reason}")
        mine.setdefault(record.seed, record)
    return {place: [*mine.values()] for place, mine in cells.items()}


def _some(items: list[str]) -> str:
    more = len(items) - DIFFERENCES_SHOWN
    return "; ".join(items[:DIFFERENCES_SHOWN]) + (f"; and {more} more" if more > 0 else "")
