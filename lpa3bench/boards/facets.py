"""What a cell is of, to choose cells by: its task, its data set and what stands in each slot."""

from __future__ import annotations

from collections.abc import Sequence

from lpa3bench.boards.board import Column, Row
from lpa3bench.boards.conditions import NONE, SLOT, Condition
from lpa3bench.boards.definition import Definition
from lpa3bench.records import Record
from lpa3bench.types import SLOTS

FACETS = ("task", "dataset", *(f"{SLOT}{slot}" for slot in SLOTS))
"""As conditions in `board.toml` name them."""


def facets(definition: Definition, row: Row, column: Column, runs: Sequence[Record]) -> dict[str, str]:
    """By name, as its runs have it; without runs what its conditions demand, where that is one value."""
    if runs:
        return {name: str(Condition(name, ()).value_of(runs[0])) for name in FACETS}
    parts = (definition.conditions, definition.of_row[row.key], definition.of_column[column.key])
    demanded = {one.name: one.values for part in parts for one in part.match if one.name in FACETS}
    return {name: str(values[0]) for name in FACETS if (values := demanded.get(name)) and len(values) == 1}


def filled(found: dict[str, str]) -> list[str]:
    """The slots in which something stands, with it: `positives: LPA3`."""
    return [
        f"{name.removeprefix(SLOT)}: {value}"
        for name, value in found.items()
        if name.startswith(SLOT) and value != NONE
    ]
