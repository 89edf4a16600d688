"""Score against counted passes: a scatter for each column, with its Pareto front, as places in pixels.

Every point has a label of its own, a box large enough for a finger; labels keep clear of each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from lpa3bench.boards.board import Board, Cell, Column, Row
from lpa3bench.boards.front import costed, pareto_front
from lpa3bench.report.html.svg import Scale, Tick, path
from lpa3bench.report.numbers import scale_of
from lpa3bench.report.table_building import board_measure

WIDTH, HEIGHT = 400, 250
"""Of the plot, in the pixels of its own coordinates."""
BOX = 33
"""Side of a label's box: 24 pixels on a page that is 375 wide, the least that a finger hits (WCAG 2.5.8)."""
DOT = 5
PASS_UNITS = ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands"))
FEWEST = 2
"""A column with fewer points is no trade-off."""


@dataclass(frozen=True)
class FrontPoint:
    """A method in a column."""

    number: int
    """As the list beside it counts."""
    row: Row
    cell: Cell
    on_front: bool
    times: float
    """Its passes by those of the cheapest."""
    x: float
    y: float
    label_x: float
    label_y: float
    spread: tuple[float, float] | None
    """Upper and lower end of mean ± standard deviation; None for a single run."""


@dataclass(frozen=True)
class FrontPanel:
    """A column's scatter."""

    column: Column
    points: tuple[FrontPoint, ...]
    """The cheapest first."""
    front: str
    """`d` of the line that joins the front: a step, as nothing lies between two methods."""
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    label: str
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def best(self) -> tuple[FrontPoint, ...]:
        """Those on the front."""
        return tuple(point for point in self.points if point.on_front)


def front_panels(board: Board) -> list[FrontPanel]:
    """Of the columns with points enough; none on boards of a cost, where score and cost are one."""
    if board_measure(board, board.metric).is_cost:
        return []
    found = [(column, costed(board, column.key)) for column in board.columns]
    return [_panel(board, column, cells) for column, cells in found if len(cells) >= FEWEST]


def first_panel(board: Board, panels: Sequence[FrontPanel]) -> int:
    """Which one is open at first: that with the most methods on its front, of the columns that the primary
    questions are about, else of all."""
    asked = [column for question in board.questions if question.primary for column in question.columns]
    order = [n for n, panel in enumerate(panels) if panel.column.key in asked] or [*range(len(panels))]
    return max(order, key=lambda n: (len(panels[n].best), -n)) if order else 0


def _panel(board: Board, column: Column, cells: Sequence[Cell]) -> FrontPanel:
    measure = board_measure(board, board.metric)
    scale = scale_of(measure)
    passes = [cell.passes or 0.0 for cell in cells]
    size, word = next(((size, f"{word} of ") for size, word in PASS_UNITS if max(passes) >= size), (1.0, ""))
    x = Scale(0.0, 1.04 * max(passes) / size, 0, WIDTH)
    ends = [end * scale for cell in cells for end in _ends(cell)]
    room = (max(ends) - min(ends) or 1.0) * 0.06
    y = Scale(min(ends) - room, max(ends) + room, HEIGHT, 0)
    places = [
        (x(cost / size), y(scale * (cell.mean or 0.0))) for cell, cost in zip(cells, passes, strict=True)
    ]
    front = {cell.row for cell in pareto_front(board, column.key)}
    rows = {row.key: row for row in board.rows}
    points = tuple(
        FrontPoint(
            number, rows[cell.row], cell, cell.row in front, cost / passes[0],
            round(at[0], 1), round(at[1], 1), *label, _spread(cell, y, scale),
        )
        for number, (cell, cost, at, label) in enumerate(
            zip(cells, passes, places, _labels(places), strict=True), 1
        )
    )  # fmt: skip
    return FrontPanel(
        column, points, _steps([p for p in points if p.on_front]), x.ticks(), y.ticks(),
        f"image passes of a run, {word}forward equivalents",
    )  # fmt: skip


def _ends(cell: Cell) -> tuple[float, float]:
    mean, std = cell.mean or 0.0, cell.std or 0.0
    return mean - std, mean + std


def _spread(cell: Cell, y: Scale, scale: int) -> tuple[float, float] | None:
    if cell.std is None:
        return None
    low, high = _ends(cell)
    return round(y(scale * high), 1), round(y(scale * low), 1)


def _steps(front: Sequence[FrontPoint]) -> str:
    """From each method on to the next dearer one that is better, and to the plot's end."""
    corners: list[tuple[float, float]] = []
    for point in front:
        if corners:
            corners.append((point.x, corners[-1][1]))
        corners.append((point.x, point.y))
    return path([*corners, (WIDTH, corners[-1][1])]) if corners else ""


class _Near:
    """Points by squares of `BOX`, of which only those around a place are asked."""

    def __init__(self, points: Iterable[tuple[float, float]] = ()) -> None:
        self._squares: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for point in points:
            self.add(point)

    def add(self, point: tuple[float, float]) -> None:
        self._squares.setdefault(_square(point), []).append(point)

    def count(self, at: tuple[float, float], by: float) -> int:
        """How many lie nearer than `by`, which is `BOX` at most."""
        across, down = _square(at)
        around = product((across - 1, across, across + 1), (down - 1, down, down + 1))
        return sum(_near(at, one, by) for square in around for one in self._squares.get(square, ()))


def _square(point: tuple[float, float]) -> tuple[int, int]:
    return math.floor(point[0] / BOX), math.floor(point[1] / BOX)


def _labels(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A place for each label's middle: as near to its point as no other label and no other point lies."""
    taken: list[tuple[float, float]] = []
    labels, points = _Near(), _Near(places)
    for own in places:
        chosen = min(_around(*own), key=lambda at: _cost(at, own, labels, points))
        taken.append((round(chosen[0], 1), round(chosen[1], 1)))
        labels.add(taken[-1])
    return taken


def _around(x: float, y: float) -> Iterator[tuple[float, float]]:
    for across in (0.7, -0.7, 1.5, -1.5, 2.4, -2.4, 0.0):
        for down in (0, -0.7, 0.7, -1.1, 1.1, -1.6, 1.6, -2.2, 2.2):
            at = (x + across * BOX, y + down * BOX)
            if BOX / 2 <= at[0] <= WIDTH and -BOX / 4 <= at[1] <= HEIGHT - BOX / 3:
                yield at


def _cost(at: tuple[float, float], own: tuple[float, float], labels: _Near, points: _Near) -> float:
    """How far off it is, and much more where it covers something."""
    others = points.count(at, BOX / 2 + DOT) - _near(at, own, BOX / 2 + DOT)
    hidden = (others + _near(at, own, BOX / 2)) * 300
    return labels.count(at, BOX) * 1000 + hidden + math.dist(at, own)


def _near(one: tuple[float, float], other: tuple[float, float], by: float) -> bool:
    return abs(one[0] - other[0]) < by and abs(one[1] - other[1]) < by
