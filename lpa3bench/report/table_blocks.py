"""A table cut into as many as fit a page, the columns of one task side by side."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from lpa3bench.report.table_text import TextHead, TextLine, TextTable

NARROW_LETTERS, WIDE_LETTERS = frozenset(" \u00a0.,:;!|'()[]/-ijlfrtI"), frozenset("mwMW%@▲▼○…")
_WORD = re.compile(r"\S+ %|\S+")
LETTER_EM = {"narrow": 0.3, "plain": 0.56, "wide": 0.9, "capital": 0.72}
"""Widths of letters in em, about those of Helvetica: measured in Chromium, tests hold them to it."""
UNBROKEN_NAME = 16.0
"""In em: a longer name of a row is broken between its words."""


@dataclass(frozen=True)
class TextBlock:
    """Columns that stand side by side, and the lines that have something there."""

    heads: tuple[TextHead, ...]
    lines: tuple[TextLine, ...]


def text_units(text: str) -> float:
    """How wide a line of text is, in em."""
    return sum(
        LETTER_EM[
            "narrow" if sign in NARROW_LETTERS
            else "wide" if sign in WIDE_LETTERS
            else "capital" if sign.isupper()
            else "plain"
        ]
        for sign in text
    )  # fmt: skip


def unbroken_words(text: str) -> list[str]:
    """What no line ends within: "50 %" is one word."""
    return _WORD.findall(text)


def blocks(table: TextTable, width: float, between: float) -> list[TextBlock]:
    """The table in as few blocks as fit, of about as many columns each.

    Args:
        width: of the page, in em.
        between: what a column takes besides its text, in em.
    """
    names = max((min(text_units(line.name), UNBROKEN_NAME) for line in table.lines), default=0) + between
    origins = {line.origin for line in table.lines}
    if any(origins):
        names += max(map(text_units, origins)) + between
    sizes = [_size(table, at) + between for at in range(len(table.heads))]
    tasks = [[at for at, _ in of] for _, of in groupby(enumerate(table.heads), key=lambda one: one[1].task)]
    packed = _packed(tasks, sizes, width - names, len(sizes))
    even = _packed(tasks, sizes, width - names, math.ceil(len(sizes) / max(len(packed), 1)))
    return [_block(table, at) for at in (even if len(even) == len(packed) else packed)]


def _size(table: TextTable, at: int) -> float:
    head = table.heads[at]
    body = (cell.widest for line in table.lines if (cell := line.cells[at]))
    return max((text_units(part) for part in (*unbroken_words(head.name), head.of_all, *body)), default=0.0)


def _packed(
    tasks: Sequence[Sequence[int]], sizes: Sequence[float], width: float, most: int
) -> list[list[int]]:
    """Columns by block: a task begins a new one where it does not fit beside the others."""
    found: list[list[int]] = [[]]
    for task in tasks:
        if found[-1] and not _fits([*found[-1], *task], sizes, width, most):
            found.append([])
        for at in task:
            if found[-1] and not _fits([*found[-1], at], sizes, width, most):
                found.append([])
            found[-1].append(at)
    return found


def _fits(columns: Sequence[int], sizes: Sequence[float], width: float, most: int) -> bool:
    return len(columns) <= most and sum(sizes[at] for at in columns) <= width


def _block(table: TextTable, columns: Sequence[int]) -> TextBlock:
    lines = (replace(line, cells=tuple(line.cells[at] for at in columns)) for line in table.lines)
    return TextBlock(
        tuple(table.heads[at] for at in columns),
        tuple(line for line in lines if any(cell is not None for cell in line.cells)),
    )
