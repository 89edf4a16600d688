"""Which methods of a column no other one beats in score and counted passes at once."""

from __future__ import annotations

from lpa3bench.boards.board import Board, Cell


def costed(board: Board, column: str) -> list[Cell]:
    """The column's cells with a score and counted passes, the cheapest first, of equals the better."""
    sign = _sign(board)
    known = [cell for cell in board.cells if cell.column == column and cell.mean is not None and cell.passes]
    return sorted(known, key=lambda cell: (cell.passes or 0.0, sign * (cell.mean or 0.0)))


def pareto_front(board: Board, column: str) -> list[Cell]:
    """Of these, each that is better than all that are as cheap or cheaper; equal in both, all are on it.

    Means alone decide, so it says nothing of significance.
    """
    sign = _sign(board)
    front: list[Cell] = []
    for cell in costed(board, column):
        last = front[-1] if front else None
        if last is None or sign * (cell.mean or 0.0) < sign * (last.mean or 0.0) or _same(cell, last):
            front.append(cell)
    return front


def _sign(board: Board) -> int:
    """What turns a score into one of which less is better."""
    measure = board.measures.get(board.metric)
    return 1 if measure and not measure.higher_is_better else -1


def _same(one: Cell, other: Cell) -> bool:
    return (one.mean, one.passes) == (other.mean, other.passes)
