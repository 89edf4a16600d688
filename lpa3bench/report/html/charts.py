"""Convergence curves of a board: a chart for each column, against epochs, image passes and wall-clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lpa3bench.boards.board import Board, Cell, Column, Row
from lpa3bench.report.html.svg import COLOUR_COUNT, Scale, Tick, band, dash, path, round_values, thinned
from lpa3bench.report.numbers import time_unit
from lpa3bench.stats.curves import MeanCurve

PLOT_WIDTH, PLOT_HEIGHT = 430, 230
"""Of the plot, in the pixels of its own coordinates."""
AT_FIRST = 6
"""Lines that a chart shows when the page opens; the legend switches the others on."""
SETTLED = 0.2
"""The accuracy axis leaves out what lies below every line after this share of its training."""
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
    """Where the accuracy axis opens when some of what was measured lies below it."""
    panels: tuple[ChartPanel, ...]
    lines: tuple[ChartLine, ...]
    """The legend, best final accuracy first."""
    width: int = PLOT_WIDTH
    height: int = PLOT_HEIGHT


def charts(board: Board) -> list[Chart]:
    """A chart for each column in which a curve is known."""
    return [chart for column in board.columns if (chart := _chart(board, column))]


def _chart(board: Board, column: Column) -> Chart | None:
    found = [
        (place, row, cell, cell.curve)
        for place, row in enumerate(board.rows)
        if (cell := board.cell(row.key, column.key)) and cell.curve and cell.curve.mean
    ]
    if not found:
        return None
    found.sort(key=lambda item: (-item[3].mean[-1], item[0]))
    y, opens_at = _accuracy_axis([curve for *_, curve in found])
    lines = [
        ChartLine(row, cell, place % COLOUR_COUNT, dash(place), at_first=rank < AT_FIRST)
        for rank, (place, row, cell, _) in enumerate(found)
    ]
    curves = [curve for *_, curve in found]
    panels = tuple(_panel(axis, lines, curves, y) for axis in ("epochs", "passes", "seconds"))
    return Chart(column, y.ticks(), opens_at, panels, tuple(lines))


def _accuracy_axis(curves: Sequence[MeanCurve]) -> tuple[Scale, str | None]:
    """A scale from below where all lines have settled to above the best, in per cent."""
    settled = [100 * min(curve.mean[int(len(curve.mean) * SETTLED) :]) for curve in curves]
    top = max(100 * value for curve in curves for value in curve.mean)
    low, high = min(settled), top
    if high - low < 0.1:
        low, high = max(0.0, low - 0.5), min(100.0, high + 0.5)
    values, _ = round_values(low, high)
    step = values[1] - values[0] if len(values) > 1 else high - low
    low = max(0.0, values[0] - step if values[0] > low else values[0])
    high = min(100.0, values[-1] + step if values[-1] < high else values[-1])
    lowest = min(100 * value for curve in curves for value in curve.mean)
    return Scale(low, high, PLOT_HEIGHT, 0), f"{low:g}" if lowest < low else None


def _panel(axis: str, lines: Sequence[ChartLine], curves: Sequence[MeanCurve], y: Scale) -> ChartPanel:
    """One chart: its horizontal axis begins at zero, where training does."""
    longest = max(_costs(curve, axis)[-1] for curve in curves)
    size, label = _unit(axis, longest)
    x = Scale(0.0, max(longest / size, 1e-9), 0, PLOT_WIDTH)
    drawn = tuple(
        ChartLine(
            line.row, line.cell, line.colour, line.dash, line.at_first, *_shape(curve, axis, size, x, y)
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


def _shape(curve: MeanCurve, axis: str, size: float, x: Scale, y: Scale) -> tuple[str, str]:
    """The line and the band of mean ± std, which is empty where std is unknown."""
    costs = _costs(curve, axis)

    def points(places: Sequence[int], sign: int) -> list[tuple[float, float]]:
        spread = [0.0 if sign == 0 else sign * (curve.std[place] or 0.0) for place in places]
        return [
            (x(costs[place] / size), y(100 * (curve.mean[place] + by)))
            for place, by in zip(places, spread, strict=True)
        ]

    few = thinned(len(costs), BAND_POINTS)
    known = len(few) > 1 and all(curve.std[place] is not None for place in few)
    return path(points(thinned(len(costs)), 0)), band(points(few, 1), points(few, -1)) if known else ""
