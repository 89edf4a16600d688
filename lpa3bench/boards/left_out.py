"""Records that a board has no cell for: each named by its experiment, with what would give it one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lpa3bench.boards.definition import Definition
from lpa3bench.boards.drafts import column_for, row_for
from lpa3bench.errors import printable
from lpa3bench.records import Record


@dataclass(frozen=True)
class LeftOut:
    """The records of one experiment, which has no cell."""

    text: str
    """Which they are, why they have no cell, and what to do, in one line."""
    on_purpose: bool
    """They are no results, or the conditions of the whole board turn them away: no row is missing."""


def left_out(definition: Definition, records: Iterable[Record]) -> Iterator[LeftOut]:
    """What becomes of records of no cell, by experiment.

    Args:
        records: those that `places` finds no place for.
    """
    experiments: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        experiments[f"{record.name}-{record.identity}"].append(record)
    for name, its in sorted(experiments.items()):
        seeds = ", ".join(map(str, sorted({record.seed for record in its})))
        who = f"left out {name} (seed{'s' if len(its) > 1 else ''} {seeds})"
        on_purpose = _on_purpose(definition, its[0])
        told = printable(f"{who}: {on_purpose or _missing(definition, its[0])}")
        yield LeftOut(told, on_purpose is not None)


def _on_purpose(definition: Definition, record: Record) -> str | None:
    if record.no_result:
        return f"not a result: {record.no_result}"
    if failed := definition.conditions.failed(record):
        return f"not of this board: {failed}; {definition.path} asks that of every record"
    return None


def _missing(definition: Definition, record: Record) -> str:
    """The row, the column or the plan that would have to be added."""
    rows = [row.key for row in definition.rows if definition.of_row[row.key].fit(record)]
    columns = [column.key for column in definition.columns if definition.of_column[column.key].fit(record)]
    if rows and columns:
        row, column = rows[0], columns[0]
        return (
            f"row {row} is not planned in column {column}; add {column} to columns of {row} in "
            f"{definition.path}"
        )
    failing = (conditions.failing(record) for conditions in definition.of_row.values())
    apart = {condition.name: condition.value_of(record) for condition in failing if condition}
    tables = {}
    if not rows:
        tables["row"] = f"[[rows]] with {row_for(record, apart)}"
    if not columns:
        tables["column"] = f"[[columns]] with {column_for(record)}"
    return f"no {' and no '.join(tables)} is for it; add to {definition.path} {' and '.join(tables.values())}"
