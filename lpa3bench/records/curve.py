"""A curve of which some columns are kept, eight bytes a number: a board holds thousands of them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

EpochValues = Sequence[float | None]
"""A number an epoch; None where it is undefined or not recorded."""


_EXACT = 2**53
"""Integers up to here are floats."""


class Curve(Sequence[Mapping[str, Any]]):
    """As a sequence, its rows, an epoch each."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> None:
        self._epochs = len(rows)
        columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(names)}
        self._with_gaps = {name for name, numbers in columns.items() if None in numbers}
        self._columns = {name: _packed(numbers) for name, numbers in columns.items()}

    def column(self, name: str) -> EpochValues:
        """The numbers called so; nothing but None where none is kept."""
        found = self._columns.get(name)
        if found is None:
            return [None] * self._epochs
        if isinstance(found, array) and name in self._with_gaps:
            return [None if math.isnan(number) else number for number in found]
        return found

    def __len__(self) -> int:
        return self._epochs

    @overload
    def __getitem__(self, place: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> Any:
        columns = {name: self.column(name) for name in self._columns}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return rows[place]


def _packed(numbers: EpochValues) -> EpochValues | array[float]:
    """Not a number, which no record has, stands for None; what no float can hold is kept as it is."""
    if any(type(number) is int and abs(number) > _EXACT for number in numbers):
        return numbers
    return array("d", [math.nan if number is None else number for number in numbers])
