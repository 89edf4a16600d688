"""How much of a file is believed: whatever it holds, nobody's memory is filled and nobody falls too deep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from lpa3bench.errors import printable

DEEPEST = 20
"""Levels of lists and objects where a file may hold anything; a matrix has two."""
LONGEST_MESSAGE = 240
"""Letters of what is said to be wrong."""
LARGEST_NUMBER = 1e100
"""Of a score, a log or a time: means, squares and products of such numbers are floats as well."""

_PLAIN = {str, int, float, bool, type(None)}
"""What most of a file consists of, and is not to be asked at length."""


def countable(value: Any) -> TypeGuard[float]:
    """Whether it is a number that can be reckoned with: finite, and not larger than `LARGEST_NUMBER`."""
    return isinstance(value, int | float) and -LARGEST_NUMBER <= value <= LARGEST_NUMBER


def first_uncountable(numbers: Iterable[Mapping[str, Any]]) -> str | None:
    """The name of the first number that cannot be reckoned with; what is none is passed over."""
    return next(
        (
            name
            for row in numbers
            for name, value in row.items()
            if isinstance(value, int | float) and not countable(value)
        ),
        None,
    )


def too_deep(part: Any, left: int = DEEPEST) -> bool:
    """Whether lists and objects are nested more than so many levels deep."""
    if type(part) in _PLAIN or not isinstance(part, Mapping | Sequence) or isinstance(part, str):
        return False
    parts = part.values() if isinstance(part, Mapping) else part
    return not left or any(too_deep(one, left - 1) for one in parts)


def in_one_short_line(text: str) -> str:
    """In one line, and not a long one: it quotes what stands in the file."""
    return printable(text if len(text) < LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1]}…")
