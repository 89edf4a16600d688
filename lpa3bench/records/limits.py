"""How much of a file is believed: whatever it holds, nobody's memory is filled and nobody falls too deep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lpa3bench.errors import printable

DEEPEST = 20
"""Levels of lists and objects where a file may hold anything; a matrix has two."""
LONGEST_MESSAGE = 240
"""Letters of what is said to be wrong."""


def too_deep(part: Any, left: int = DEEPEST) -> bool:
    """Whether lists and objects are nested more than so many levels deep."""
    if not isinstance(part, Mapping | Sequence) or isinstance(part, str):
        return False
    parts = part.values() if isinstance(part, Mapping) else part
    return not left or any(too_deep(one, left - 1) for one in parts)


def shortened(text: str) -> str:
    """In one line, and not a long one: it quotes what stands in the file."""
    return printable(text if len(text) < LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1]}…")
