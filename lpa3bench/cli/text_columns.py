"""Tables that verbs print for people."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], *, numbers: Collection[int] = (), indent: str = "") -> list[str]:
    """A line a row, its columns as wide as their widest cell; the last cell of a row runs on.

    Args:
        rows: may be of unlike lengths.
        numbers: columns whose cells stand at the right.
    """
    widths = [0] * max(map(len, rows), default=0)
    for row in rows:
        for column, cell in enumerate(row[:-1]):
            widths[column] = max(widths[column], len(cell))
    lines = (
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        )
        for row in rows
    )
    return [indent + line.rstrip() for line in lines]
