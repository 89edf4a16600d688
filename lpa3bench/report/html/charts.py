"""Convergence curves of a board: a chart for each column, against epochs, image passes and wall-clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lpa3bench.boards.board import Board, Cell, Column, Measure, Row
from lpa3bench.report.html.svg import COLOUR_COUNT, Scale, Tick, band, dash, path, round_values, thinned
from lpa3bench.report.numbers import scale_of, time_unit
from lpa3bench.report.table_building import board_measure
from lpa3bench.stats.curves import MeanCurve

PLOT_WIDTH, PLOT_HEIGHT = 430, 230
"""Of the plot, in the pixels of its own coordinates."""
AT_FIRST = 6
"""Lines that a chart shows when the page opens; the legend switches the others on."""
DRAWN_AS_ZERO = 1e-100
"""Numbers no larger than this are drawn as zero."""
SETTLED = 0.2
"""The vertical axis leaves out what is worse than every line after this share of its training."""
BAND_POINTS = 20


@dataclass(frozen=True)
class ChartLine:
    """A method in a chart."""

    row: Row
    cell: Cell
    colour: int
    dash: str
    at_first: bool
    d: str = ""
    band: str = ""


@dataclass(frozen=True)
class ChartPanel:
    """A chart against one kind of cost."""

    axis: str
    label: str
    x: tuple[Tick, ...]
    lines: tuple[ChartLine, ...]


@dataclass(frozen=True)
class Chart:
    """All that is drawn for a column."""

    column: Column
    y: tuple[Tick, ...]
    opens_at: str | None
    """Where the vertical axis opens when some of what was measured lies below it."""
    ends_at: str | None
    """Where it ends when some lies above it, which can be where less is better."""
    panels: tuple[ChartPanel, ...]
    lines: tuple[ChartLine, ...]
    """The legend, the best last epoch first."""
    width: int = PLOT_WIDTH
    height: int = PLOT_HEIGHT


def charts(board: Board) -> list[Chart]:
    """A chart for each column in which a curve is known."""
    measure = drawn_measure(board)
    return [chart for column in board.columns if (chart := _chart(board, column, measure))]


def drawn_measure(board: Board) -> Measure:
    """What curves show, by the metric's name alone: the board's; of costs, what its runs select by."""
    own = board_measure(board, board.metric)
    if own.is_cost:
        scores: dict[str, float | None] = next((r["metrics"] for r in board.records.values()), {})
        own = board_measure(board, next(iter(scores), board.metric))
    return replace(own, name=own.name.partition(",")[0])


def _chart(board: Board, column: Column, measure: Measure) -> Chart | None:
    found = [
        (place, row, cell, cell.curve)
        for place, row in enumerate(board.rows)
        if (cell := board.cell(row.key, column.key)) and cell.curve and cell.curve.mean
    ]
    if not found:
        return None
    sign = -1 if measure.higher_is_better else 1
    found.sort(key=lambda item: (sign * item[3].mean[-1], item[0]))
    lines = [
        ChartLine(row, cell, place % COLOUR_COUNT, dash(place), at_first=rank < AT_FIRST)
        for rank, (place, row, cell, _) in enumerate(found)
    ]
    curves = [curve for *_, curve in found]
    y = _vertical(curves, measure)
    scale = scale_of(measure)
    panels = tuple(_panel(axis, lines, curves, y, scale) for axis in ("epochs", "passes", "seconds"))
    shown = [scale * value for curve in curves for value in curve.mean]
    opens_at = f"{y.low:g}" if min(shown) < y.low else None
    ends_at = f"{y.high:g}" if max(shown) > y.high else None
    return Chart(column, y.ticks(), opens_at, ends_at, panels, tuple(lines))


def _vertical(curves: Sequence[MeanCurve], measure: Measure) -> Scale:
    """A scale over the best of all lines and the worst of them once they have settled, in the unit shown."""
    scale, share = scale_of(measure), measure.unit == "%"
    values = [scale * value for curve in curves for value in curve.mean]
    settled = [scale * value for curve in curves for value in curve.mean[int(len(curve.mean) * SETTLED) :]]
    low, high = (min(settled), max(values)) if measure.higher_is_better else (min(values), max(settled))
    least, most = 0.0 if min(values) >= 0 else -math.inf, 100.0 if share else math.inf
    whole = 100.0 if share else max(abs(low), abs(high))
    if whole < DRAWN_AS_ZERO:
        whole = 1.0
    if high - low < whole / 1000:
        low, high = max(least, low - whole / 200), min(most, high + whole / 200)
    marks, _ = round_values(low, high)
    step = marks[1] - marks[0] if len(marks) > 1 else high - low
    low = max(least, marks[0] - step if marks[0] > low else marks[0])
    high = min(most, marks[-1] + step if marks[-1] < high else marks[-1])
    return Scale(low, high, PLOT_HEIGHT, 0)


def _panel(
    axis: str, lines: Sequence[ChartLine], curves: Sequence[MeanCurve], y: Scale, scale: int
) -> ChartPanel:
    """One chart: its horizontal axis begins at zero, where training does."""
    longest = max(_costs(curve, axis)[-1] for curve in curves)
    size, label = _unit(axis, longest)
    x = Scale(0.0, max(longest / size, 1e-9), 0, PLOT_WIDTH)
    drawn = tuple(
        ChartLine(
            line.row,
            line.cell,
            line.colour,
            line.dash,
            line.at_first,
            *_shape(curve, axis, size, x, y, scale),
        )
        for line, curve in zip(lines, curves, strict=True)
    )
    return ChartPanel(axis, label, x.ticks(7, least=1.0 if axis == "epochs" else 0.0), drawn)


def _costs(curve: MeanCurve, axis: str) -> Sequence[float]:
    """What each point of the curve has cost."""
    if axis == "epochs":
        return curve.epochs
    return curve.passes if axis == "passes" else curve.seconds


def _unit(axis: str, longest: float) -> tuple[float, str]:
    """What the axis is counted in, and its label."""
    if axis == "epochs":
        return 1.0, "epochs"
    if axis == "seconds":
        size, sign = time_unit(longest)
        return size, f"wall-clock of training ({sign})"
    for size, word in ((1e9, "billions of "), (1e6, "millions of "), (1e3, "thousands of ")):
        if longest >= size:
            return size, f"{word}image passes (forward equivalents)"
    return 1.0, "image passes (forward equivalents)"


def _shape(curve: MeanCurve, axis: str, size: float, x: Scale, y: Scale, scale: int) -> tuple[str, str]:
    """The line and the band of mean ± std, which is empty where std is unknown."""
    costs = _costs(curve, axis)

    def points(places: Sequence[int], sign: int) -> list[tuple[float, float]]:
        spread = [0.0 if sign == 0 else sign * (curve.std[place] or 0.0) for place in places]
        return [
            (x(costs[place] / size), y(scale * (curve.mean[place] + by)))
            for place, by in zip(places, spread, strict=True)
        ]

    few = thinned(len(costs), BAND_POINTS)
    known = len(few) > 1 and all(curve.std[place] is not None for place in few)
    return path(points(thinned(len(costs)), 0)), band(points(few, 1), points(few, -1)) if known else ""
