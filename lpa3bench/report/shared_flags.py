"""Flags that every cell of a column has: they single out no cell, and are told once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lpa3bench.boards.board import Board
from lpa3bench.report.table import column_title


def shared_flags(board: Board) -> Mapping[str, frozenset[str]]:
    """By a column's key, what is flagged in all of its measured cells, of which there are two at least."""
    shared = {}
    for column in board.columns:
        flags = [frozenset(cell.flags) for cell in board.cells if cell.column == column.key and cell.n]
        shared[column.key] = frozenset.intersection(*flags) if len(flags) > 1 else frozenset()
    return shared


def own_flags(board: Board) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """What is flagged in a cell and not in all of its column, by its row and column."""
    shared = shared_flags(board)
    return {
        (cell.row, cell.column): tuple(flag for flag in cell.flags if flag not in shared[cell.column])
        for cell in board.cells
    }


def told_of_all(board: Board) -> Iterator[str]:
    """A sentence for each shared flag, with its columns where others are without it."""
    shared = shared_flags(board)
    measured = {cell.column for cell in board.cells if cell.n}
    for flag in dict.fromkeys(flag for cell in board.cells for flag in cell.flags):
        titles = [column_title(column) for column in board.columns if flag in shared[column.key]]
        if titles:
            where = "All cells" if len(titles) == len(measured) else f"All cells of {'; '.join(titles)}"
            yield f"{where}: {flag}."
