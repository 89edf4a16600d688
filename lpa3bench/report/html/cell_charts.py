"""What a cell's page draws: its seeds as dots beside those that they are compared with, and its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lpa3bench.boards.board import Board, Cell, Measure, Row
from lpa3bench.report.html.svg import Scale, Tick, dots, path
from lpa3bench.report.numbers import scale_of

DOTS_WIDTH, ROW_HEIGHT = 440, 44
"""In pixels of the drawing's own coordinates."""
MOST_BARS = 12
"""Of more classes those are shown that differ most from the baseline's, or without one the lowest."""


@dataclass(frozen=True)
class DotRow:
    """The runs of one row of the board."""

    row: Row
    height: int
    dots: str
    mean: float


@dataclass(frozen=True)
class SeedPairs:
    """How often the cell's run is the better one of two with one seed."""

    other: Row
    better: int
    equal: int
    worse: int

    @property
    def n(self) -> int:
        return self.better + self.equal + self.worse


@dataclass(frozen=True)
class SeedDots:
    """Runs as dots, a line for each row of the board; what has one seed is joined."""

    rows: tuple[DotRow, ...]
    """The baseline, the cell itself, and what is at equal cost, as far as there are runs."""
    own: int
    """Which of the rows is the cell itself."""
    better: str
    """Lines between pairs in which the cell's run is the better one."""
    rest: str
    """Between the other pairs."""
    ticks: tuple[Tick, ...]
    pairs: tuple[SeedPairs, ...]
    width: int = DOTS_WIDTH

    @property
    def height(self) -> int:
        return len(self.rows) * ROW_HEIGHT


@dataclass(frozen=True)
class ClassBar:
    """The share of a class that was right, mean over the runs."""

    name: str
    share: float
    baseline: float | None
    """The baseline's; None where there is none."""

    @property
    def difference(self) -> float | None:
        return None if self.baseline is None else self.share - self.baseline


def seed_dots(board: Board, cell: Cell, measure: Measure) -> SeedDots | None:
    """None where the cell has no scores, or the board's measure is undefined for some of them."""
    if not cell.scores:
        return None
    rows = {row.key: row for row in board.rows}
    before = [one.baseline for one in cell.comparisons if one.kind == "baseline"]
    after = [one.baseline for one in cell.comparisons if one.kind == "equal cost"]
    keys = dict.fromkeys([*before, cell.row, *after])
    found = [(rows[key], of) for key in keys if (of := board.cell(key, cell.column)) and of.scores]
    x = _across([of for _, of in found], measure)
    heights = [ROW_HEIGHT * place + ROW_HEIGHT // 2 + 7 for place in range(len(found))]
    own = next(place for place, (row, _) in enumerate(found) if row.key == cell.row)
    pairs, lines = [], {True: "", False: ""}
    for (row, of), height in zip(found, heights, strict=True):
        signs = [*_signs(cell, of, measure)] if row.key != cell.row else []
        if signs:
            counted = [sum(sign == wanted for *_, sign in signs) for wanted in (1, 0, -1)]
            pairs.append(SeedPairs(row, *counted))
        for ours, theirs, sign in signs:
            lines[sign > 0] += path([(x(theirs), height), (x(ours), heights[own])])
    drawn = (
        DotRow(row, height, dots([(x(score), height) for score in sorted(of.scores)]), x(_mean(of)))
        for (row, of), height in zip(found, heights, strict=True)
    )
    scale = scale_of(measure)
    ticks = Scale(scale * x.low, scale * x.high, x.start, x.end).ticks()
    return SeedDots(tuple(drawn), own, lines[True], lines[False], ticks, tuple(pairs))


def _across(cells: Sequence[Cell], measure: Measure) -> Scale:
    """From scores, as they are, to the width of the drawing."""
    scores = [score for cell in cells for score in cell.scores]
    low, high = min(scores), max(scores)
    margin = (high - low or abs(high) / 100 or 1.0) / 15
    return Scale(low - margin, high + margin, 0, DOTS_WIDTH)


def _mean(cell: Cell) -> float:
    return sum(cell.scores) / len(cell.scores)


def _signs(cell: Cell, other: Cell, measure: Measure) -> list[tuple[float, float, int]]:
    """Both scores of each pair of runs with one seed, and 1 where the cell's is better, −1 where worse."""
    theirs = dict(zip(other.seeds, other.scores, strict=True))
    up = 1 if measure.higher_is_better else -1
    return [
        (score, theirs[seed], up * ((score > theirs[seed]) - (score < theirs[seed])))
        for seed, score in zip(cell.seeds, cell.scores, strict=True)
        if seed in theirs
    ]


def class_bars(
    names: Sequence[str], shares: Sequence[float | None], baseline: Sequence[float | None]
) -> list[ClassBar]:
    """The classes of which a share is known, in their order.

    Args:
        baseline: its shares of the same classes; (): there is none.
    """
    theirs = baseline if len(baseline) == len(shares) else [None] * len(shares)
    bars = [
        ClassBar(name, share, other)
        for name, share, other in zip(names, shares, theirs, strict=False)
        if share is not None
    ]
    if len(bars) <= MOST_BARS:
        return bars

    def telling(bar: ClassBar) -> float:
        return bar.share if bar.difference is None else -abs(bar.difference)

    kept = sorted(bars, key=telling)[:MOST_BARS]
    return [bar for bar in bars if bar in kept]
