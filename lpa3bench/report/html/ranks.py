"""The critical-difference diagram of a ranking: mean ranks on an axis, joined where no test parts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from lpa3bench.leaderboard.board import Ranking
from lpa3bench.report.html.svg import Scale, Tick

WIDTH, STEP, BAR_STEP, TOP, LETTER = 520, 22, 9, 34, 7
"""In the pixels of the diagram's own coordinates."""
TOLD_APART = ("better", "worse")


@dataclass(frozen=True)
class Mark:
    """A method: its place on the axis, and where its name stands."""

    row: str
    rank: float
    x: float
    y: float
    left: bool
    """Whether the name stands at the left edge."""


@dataclass(frozen=True)
class Bar:
    """Methods between x1 and x2 that no pair's test tells apart."""

    x1: float
    x2: float
    y: float


@dataclass(frozen=True)
class Diagram:
    """What is drawn; best ranks stand left."""

    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    bars: tuple[Bar, ...]
    width: int
    height: float
    side: int
    """Room for the names, on either side."""
    top: int = TOP


def diagram(ranking: Ranking, names: Mapping[str, str]) -> Diagram | None:
    """The diagram; None where fewer than three methods are ranked, or too few columns allow any verdict.

    Args:
        names: of the methods, by key; the longest tells how much room they need.
    """
    if len(ranking.rows) < 3 or all(pair["verdict"] == "not testable" for pair in ranking.pairs):
        return None
    apart = {frozenset((pair["a"], pair["b"])) for pair in ranking.pairs if pair["verdict"] in TOLD_APART}
    order = sorted(zip(ranking.mean_ranks, ranking.rows, strict=True))
    x = Scale(1, len(order), 0, WIDTH)
    groups = _groups([row for _, row in order], apart)
    bars = tuple(
        Bar(x(order[first][0]) - 4, x(order[last][0]) + 4, TOP + BAR_STEP * (level + 1))
        for level, (first, last) in enumerate(groups)
    )
    below = TOP + BAR_STEP * (len(bars) + 1) + 12
    half = (len(order) + 1) // 2
    marks = tuple(
        Mark(row, rank, x(rank), below + STEP * min(place, len(order) - 1 - place), left=place < half)
        for place, (rank, row) in enumerate(order)
    )
    side = 60 + LETTER * max(len(names[row]) for _, row in order)
    return Diagram(x.ticks(len(order)), marks, bars, WIDTH, below + STEP * half, side)


def _groups(rows: Sequence[str], apart: Set[frozenset[str]]) -> list[tuple[int, int]]:
    """The longest stretches of the order in which no two methods are told apart, as first and last place."""
    found: list[tuple[int, int]] = []
    for first in range(len(rows)):
        last = first
        while last + 1 < len(rows) and not any(
            {row, rows[last + 1]} in apart for row in rows[first : last + 1]
        ):
            last += 1
        if last > first and not any(start <= first and last <= end for start, end in found):
            found.append((first, last))
    return found
