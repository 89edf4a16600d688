"""A method against its baseline at equal cost, read off the mean curves that the charts show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lpa3bench.leaderboard.board import Board, Cell, Curve


@dataclass(frozen=True)
class EqualCost:
    """What a method's mean curve has cost when it stands as high as its baseline's ends, and the reverse."""

    target: float
    """The baseline's accuracy after its last epoch."""
    epoch: int | None
    """The first, counted from 1, after which the method is as good; None: it never is."""
    passes: float | None
    seconds: float | None
    passes_ratio: float | None
    """Over those of the baseline's whole training."""
    seconds_ratio: float | None
    at_passes: float | None
    """The method's accuracy when it has used up the passes of the baseline's whole training; None: its first
    epoch alone costs more."""
    at_seconds: float | None


def equal_cost(board: Board, cell: Cell) -> EqualCost | None:
    """The comparison; None where one of the two has no curve."""
    other = board.cell(cell.comparison.baseline, cell.column) if cell.comparison else None
    if other is None or not (cell.curve and other.curve):
        return None
    mine, theirs = cell.curve, other.curve
    target = theirs.mean[-1]
    place = next((place for place, mean in enumerate(mine.mean) if mean >= target), None)
    passes = None if place is None else mine.passes[place]
    seconds = None if place is None else mine.seconds[place]
    return EqualCost(
        target=target,
        epoch=None if place is None else mine.epochs[place] + 1,
        passes=passes,
        seconds=seconds,
        passes_ratio=_ratio(passes, theirs.passes[-1]),
        seconds_ratio=_ratio(seconds, theirs.seconds[-1]),
        at_passes=_within(mine, mine.passes, theirs.passes[-1]),
        at_seconds=_within(mine, mine.seconds, theirs.seconds[-1]),
    )


def _within(curve: Curve, costs: Sequence[float], budget: float) -> float | None:
    """The mean after the last epoch that the budget pays for."""
    paid = [mean for mean, cost in zip(curve.mean, costs, strict=True) if cost <= budget]
    return paid[-1] if paid else None


def _ratio(cost: float | None, whole: float) -> float | None:
    return cost / whole if cost is not None and whole else None
