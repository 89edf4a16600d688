"""Text for a terminal of so many columns: wrapped between words, long paths cut in their middle."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

from lpa3bench.errors import shortened

FEWEST_COLUMNS = 20
"""What calls itself narrower is taken for so wide."""
SHORTEST_NAME = 8
BETWEEN = "  "
"""Columns of a table stand so far apart, at least; one space stands between words."""
_WORD = re.compile(
    r"(\s*)("
    r"`[^`]+`\S*"  # a command
    r"|\(?(?:[×±] )?[−+]?\d[\d.,]*(?: ± [\d.]+)?(?: (?:%|[kMGT]|s|min|h|nats|points)(?!\w))?\S*"
    r"|\S+)"
)
"""What is not taken apart, with the space before it: a word, a command, a number with what belongs to it."""
_JOINING = ("Mn", "Me", "Cf")
HANGING = 4
"""Further in than an indented line without columns its next one stands."""
LEAST_OF_LAST = 3
"""The last column of a table has this part of the width at least, if it needs that."""
_COLUMN = re.compile(r"(?<=\S) {2,}(?=\S)")


def columns_of(text: str) -> int:
    """How many columns a terminal gives it: two to a wide sign, none to one that joins the sign before it."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(sign) in _JOINING else 1 + (unicodedata.east_asian_width(sign) in "WF")
        for sign in text
    )


def _cut(text: str, room: int) -> str:
    """No wider than that, cut in the middle."""
    longest = room
    while longest > 1 and columns_of(shortened(text, longest)) > room:
        longest -= 1
    return shortened(text, longest)


def terminal_width(stream: Any) -> int | None:
    """Columns of the terminal behind a text stream, or `COLUMNS` where that is set; None: it is none."""
    if not stream.isatty():
        return None
    with suppress(ValueError):
        if (told := int(os.environ.get("COLUMNS", ""))) > 0:
            return max(told, FEWEST_COLUMNS)
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError, AttributeError):
        found = 0
    return max(found or 80, FEWEST_COLUMNS)


def wrapped(text: str, width: int | None, *, whole_paths: bool = False) -> str:
    """The text with no line longer than that, where its words allow it; None: as it is.

    What goes on stands under the last column of its line, where columns stand two spaces apart or more. A
    path that is too long beside other words is cut in its middle; one that stands alone is to be copied.

    Args:
        whole_paths: no path is cut.
    """
    if width is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _lines(line, width, whole_paths))


def _lines(line: str, width: int, whole_paths: bool) -> Iterator[str]:
    if columns_of(line) <= width:
        yield line
        return
    start, hang = _start_and_hang(line, width)
    under, now = " " * hang, line[:start]
    room = width - hang
    found = [match.groups() for match in _WORD.finditer(line[start:])]
    cuts = not whole_paths and (len(found) > 1 or bool(now.strip()))
    fresh = True
    for space, word in found:
        if cuts and "/" in word and "`" not in word:
            word = _cut(word, room)
        gap = "" if fresh else space
        if not fresh and columns_of(now + gap + word) > width:
            yield now.rstrip()
            now, gap = under, ""
        now += gap + word
        fresh = False
    yield now.rstrip()


def _start_and_hang(line: str, width: int) -> tuple[int, int]:
    """The letter at which what is wrapped begins, and the column where it goes on below: in the last column
    of a table that has as much room to the right of it as to its left."""
    starts = [match.end() for match in _COLUMN.finditer(line)]
    columns = [(start, columns_of(line[:start])) for start in starts]
    if near := [place for place in columns if place[1] <= width // 2]:
        return near[-1]
    indent = _indent(line)
    return indent, indent + (HANGING if indent else 0)


def unfolded(text: str) -> str:
    """A docstring's paragraphs and arguments in a line each, as wide as whoever wrote it had no room for."""
    lines: list[str] = []
    for line in text.split("\n"):
        before, words = lines[-1] if lines else "", line.strip()
        goes_on = before and words and not before.endswith(":") and not words.startswith(("- ", "* ", ">>>"))
        deeper = _indent(line) > _indent(before)
        if goes_on and (deeper or _indent(line) == 0 == _indent(before)):
            lines[-1] = f"{before} {words}"
        else:
            lines.append(line)
    return "\n".join(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


# ------------------------------------------------------------------------------------------------- tables
def aligned(
    rows: Sequence[Sequence[str]],
    *,
    numbers: Collection[int] = (),
    indent: str = "",
    width: int | None = None,
) -> list[str]:
    """A line a row, its columns as wide as their widest cell; the last cell of a row runs on.

    Args:
        rows: may be of unlike lengths.
        numbers: columns whose cells stand at the right.
        width: that of the terminal; where it is too small for all, the longest cells push what follows them
            aside in their own row alone.
    """
    widths = [0] * max(map(len, rows), default=0)
    for row in rows:
        for column, cell in enumerate(row[:-1]):
            widths[column] = max(widths[column], columns_of(cell))
    if width is not None:
        _narrow(widths, rows, width - len(indent))
    lines = (
        BETWEEN.join(
            _padded(cell, size, right=column in numbers)
            for column, (cell, size) in enumerate(zip(row, widths, strict=False))
        )
        for row in rows
    )
    return [indent + line.rstrip() for line in lines]


def _padded(cell: str, size: int, *, right: bool) -> str:
    room = " " * (size - columns_of(cell))
    return room + cell if right else cell + room


def _narrow(widths: list[int], rows: Sequence[Sequence[str]], width: int) -> None:
    """Make the widest columns as narrow as their next longest cells, until the last ones have room."""
    last = min(max((columns_of(row[-1]) for row in rows if row), default=0), width // LEAST_OF_LAST)
    while sum(widths) + len(BETWEEN) * (len(widths) - 1) + last > width:
        widest = max(range(len(widths)), key=widths.__getitem__)
        cells = {columns_of(row[widest]) for row in rows if widest < len(row) - 1}
        if not (shorter := [size for size in cells if size < widths[widest]]):
            return
        widths[widest] = max(shorter)


def number_table(
    head: Sequence[str],
    body: Sequence[Sequence[str]],
    remarks: Sequence[str],
    width: int | None,
    *,
    cut_names: bool = False,
) -> list[str]:
    """A name, then numbers, all of which are shown: where they do not fit into the width, headings are
    folded, then columns go below the others, then names are cut in their middle.

    Args:
        head: of all columns but the remarks.
        body: rows as long as the head.
        remarks: of each row, at its end; "" for most.
        cut_names: names are cut before columns go below the others.
    """
    marked = [*zip(body, remarks, strict=True)]
    if width is None:
        return aligned([[*head, ""], *([*row, told] for row, told in marked)], numbers=range(1, len(head)))
    sizes = [
        max(map(columns_of, ("", *(row[at] for row in body), *(name.split() if at else [name]))))
        for at, name in enumerate(head)
    ]
    if cut_names and (room := width - sum(len(BETWEEN) + size for size in sizes[1:])) >= SHORTEST_NAME:
        sizes[0] = min(sizes[0], room)
    first = min(sizes[0], max(width - len(BETWEEN) - max(sizes[1:], default=0), SHORTEST_NAME))
    lines: list[str] = []
    for block in _blocks(sizes, first, width):
        folded = [[_cut(head[0], first)], *(_folded(head[at], sizes[at]) for at in block)]
        deep = max(map(len, folded))
        above = [[*row, ""] for row in zip(*([""] * (deep - len(f)) + f for f in folded), strict=True)]
        rows = [[_cut(row[0], first), *(row[at] for at in block), told] for row, told in marked]
        lines += [""] * bool(lines)
        lines += aligned([*above, *rows], numbers=range(1, len(block) + 1))
    return lines


def _blocks(sizes: Sequence[int], first: int, width: int) -> list[list[int]]:
    """Which columns of numbers stand side by side, after the names."""
    blocks: list[list[int]] = [[]]
    taken = first
    for at in range(1, len(sizes)):
        more = len(BETWEEN) + sizes[at]
        if blocks[-1] and taken + more > width:
            blocks.append([])
            taken = first
        blocks[-1].append(at)
        taken += more
    return blocks


def _folded(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines[-1:] = [longer] if columns_of(longer) <= width or not lines[-1] else [lines[-1], word]
    return lines
