"""Convergence curves of a board: in each column a small chart for each method, beside its baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, TypeVar

from lpa3bench.boards.board import Board, Cell, Column, Measure, Row
from lpa3bench.report.html.curve_points import CURVE_AXES, CurveAxis, costs_along, differences_along
from lpa3bench.report.html.svg import Scale, Tick, band, path, round_values, thinned
from lpa3bench.report.numbers import scale_of, time_unit
from lpa3bench.report.table_building import board_measure
from lpa3bench.stats.curves import MeanCurve

PLOT_WIDTH, PLOT_HEIGHT = 500, 240
"""Of the plot, in its own coordinates, of which two are a pixel."""
DRAWN_AS_ZERO = 1e-100
"""Numbers no larger than this are drawn as zero."""
SETTLED = 0.4
"""The vertical axis leaves out what is worse than every line after this share of its training."""
NEAR_ITS_END = 0.7
"""The same of differences: a method that learns more slowly is far below its baseline until then."""
BAND_POINTS = 14
TICKS_ACROSS, TICKS_UP = 5, 5

Shown = Literal["score", "difference"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Drawing:
    """A line against one kind of cost."""

    d: str
    band: str = ""
    """Mean ± std; empty where std is unknown, and of differences, whose own is not that of either curve."""


@dataclass(frozen=True)
class ChartLine:
    """A method's curve; what is drawn of it, by the number of the view."""

    row: Row
    cell: Cell
    curve: MeanCurve
    drawings: tuple[Drawing, ...] = ()


@dataclass(frozen=True)
class ChartView:
    """What all small charts of a column have in common when one kind of score is seen against one of cost."""

    axis: CurveAxis
    shown: Shown
    label: str
    """Of the horizontal axis."""
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    zero: float | None
    """The height of no difference; of scores None."""


@dataclass(frozen=True)
class ChartPanel:
    """A small chart: a method beside the rows that it is compared with, where their curves are known."""

    line: ChartLine
    baseline: str | None
    equal_cost: str | None
    """Both by the row's key."""


@dataclass(frozen=True)
class Chart:
    """All that is drawn for a column."""

    column: Column
    views: tuple[ChartView, ...]
    lines: tuple[ChartLine, ...]
    """The best last epoch first."""
    panels: tuple[ChartPanel, ...]
    opens_at: str | None
    """Where the axis of scores opens when some of what was measured lies below it."""
    ends_at: str | None
    """Where it ends when some lies above it, which can be where less is better."""
    width: int = PLOT_WIDTH
    height: int = PLOT_HEIGHT

    @property
    def baselines(self) -> list[ChartLine]:
        """What methods are drawn beside, but for the row at equal cost."""
        return self._drawn_beside({panel.baseline for panel in self.panels})

    @property
    def equal_costs(self) -> list[ChartLine]:
        baselines = {panel.baseline for panel in self.panels}
        return self._drawn_beside({panel.equal_cost for panel in self.panels} - baselines)

    def _drawn_beside(self, keys: set[str | None]) -> list[ChartLine]:
        return [line for line in self.lines if line.row.key in keys]


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
        ChartLine(row, cell, cell.curve)
        for row in board.rows
        if (cell := board.cell(row.key, column.key)) and cell.curve and cell.curve.mean
    ]
    if not found:
        return None
    sign = -1 if measure.higher_is_better else 1
    found.sort(key=lambda line: sign * line.curve.mean[-1])
    of = {line.row.key: line.curve for line in found}
    bases = {key: of.get(line.row.baseline or "") for key, line in zip(of, found, strict=True)}
    scales: dict[Shown, Scale] = {"score": _of_scores([*of.values()], measure)}
    if differing := _of_differences(of, bases, measure):
        scales["difference"] = differing
    drawn = [
        _view(axis, shown, of, bases, scale, measure)
        for axis, (shown, scale) in product(CURVE_AXES, scales.items())
    ]
    by_line = zip(*(drawings for _, drawings in drawn), strict=True)
    lines = [replace(line, drawings=own) for line, own in zip(found, by_line, strict=True)]
    values = [scale_of(measure) * value for line in lines for value in line.curve.mean]
    y = scales["score"]
    return Chart(
        column,
        tuple(view for view, _ in drawn),
        tuple(lines),
        tuple(_panels(board, lines)),
        opens_at=f"{y.low:g}" if min(values) < y.low else None,
        ends_at=f"{y.high:g}" if max(values) > y.high else None,
    )


def _panels(board: Board, lines: Sequence[ChartLine]) -> list[ChartPanel]:
    """A panel for each method but those that others are drawn beside and that have no baseline."""
    rows = {line.row.key: line.row for line in lines}
    compared = {row.baseline for row in rows.values()}
    equal = rows.get(board.equal_cost or "")

    def panel(line: ChartLine) -> ChartPanel:
        baseline = line.row.baseline if line.row.baseline in rows else None
        alike = equal is not None and equal is not line.row and baseline == equal.baseline
        return ChartPanel(line, baseline, equal.key if equal and baseline and alike else None)

    return [panel(line) for line in lines if line.row.baseline in rows or line.row.key not in compared]


# ----------------------------------------------------------------------------------------------------- scales
def _of_scores(curves: Sequence[MeanCurve], measure: Measure) -> Scale:
    """A scale over the best of all lines and the worst of them once they have settled, in the unit shown."""
    values = [scale_of(measure) * value for curve in curves for value in curve.mean]
    settled = [
        scale_of(measure) * (mean + sign * (std or 0.0))
        for curve in curves
        for mean, std in _after(SETTLED, [*zip(curve.mean, curve.std, strict=True)])
        for sign in (-1, 1)
    ]
    up = measure.higher_is_better
    low, high = (min(settled), max(values + settled)) if up else (min(values + settled), max(settled))
    share = measure.unit == "%"
    least, most = 0.0 if min(values) >= 0 else -math.inf, 100.0 if share else math.inf
    low, high = max(low, least), min(high, most)
    return _rounded(low, high, least, most, whole=100.0 if share else 0.0)


def _of_differences(
    curves: Mapping[str, MeanCurve], bases: Mapping[str, MeanCurve | None], measure: Measure
) -> Scale | None:
    """One over zero and all differences from baselines once they have settled; None: there is no baseline."""
    settled = [
        scale_of(measure) * value
        for key, curve in curves.items()
        if (base := bases[key])
        for axis in CURVE_AXES
        for value in _after(NEAR_ITS_END, [value for _, value in differences_along(curve, base, axis)])
    ]
    return _rounded(min(0.0, *settled), max(0.0, *settled), -math.inf, math.inf) if settled else None


def _after(share: float, values: Sequence[_T]) -> Sequence[_T]:
    return values[int(len(values) * share) :]


def _rounded(low: float, high: float, least: float, most: float, whole: float = 0.0) -> Scale:
    """A scale that begins and ends at round values within [least, most].

    Args:
        whole: what a thousandth of is as good as nothing; 0: the larger end.
    """
    whole = whole or max(abs(low), abs(high))
    if whole < DRAWN_AS_ZERO:
        whole = 1.0
    if high - low < whole / 1000:
        low, high = max(least, low - whole / 200), min(most, high + whole / 200)
    marks, _ = round_values(low, high, TICKS_UP)
    step = marks[1] - marks[0] if len(marks) > 1 else high - low
    low = max(least, marks[0] - step if marks[0] > low else marks[0])
    high = min(most, marks[-1] + step if marks[-1] < high else marks[-1])
    return Scale(low, high, PLOT_HEIGHT, 0)


# ---------------------------------------------------------------------------------------------------- drawing
def _view(
    axis: CurveAxis,
    shown: Shown,
    curves: Mapping[str, MeanCurve],
    bases: Mapping[str, MeanCurve | None],
    y: Scale,
    measure: Measure,
) -> tuple[ChartView, list[Drawing]]:
    """One kind of score against one of cost; its horizontal axis begins at zero, where training does.

    Args:
        curves: by the row's key.
        bases: those of their baselines, where there are any.
    """
    longest = max(costs_along(curve, axis)[-1] for curve in curves.values())
    size, label = _unit(axis, longest)
    x = Scale(0.0, max(longest / size, 1e-9), 0, PLOT_WIDTH)
    drawn = []
    for key, curve in curves.items():
        base = bases[key]
        if shown == "score":
            drawn.append(_score(curve, axis, size, x, y, scale_of(measure)))
        else:
            away = [*differences_along(curve, base, axis)] if base else []
            points = [(x(cost / size), y(scale_of(measure) * value)) for cost, value in away]
            drawn.append(Drawing(path([points[place] for place in thinned(len(points))]) if points else ""))
    return ChartView(
        axis,
        shown,
        label,
        x.ticks(TICKS_ACROSS, least=1.0 if axis == "epochs" else 0.0),
        y.ticks(TICKS_UP + 1),
        y(0.0) if shown == "difference" else None,
    ), drawn


def _unit(axis: CurveAxis, longest: float) -> tuple[float, str]:
    """What the axis is counted in, and its label."""
    if axis == "epochs":
        return 1.0, "epochs"
    if axis == "seconds":
        size, sign = time_unit(longest)
        return size, f"{sign} of training"
    for size, word in ((1e9, "billions of "), (1e6, "millions of "), (1e3, "thousands of ")):
        if longest >= size:
            return size, f"{word}image passes"
    return 1.0, "image passes"


def _score(curve: MeanCurve, axis: CurveAxis, size: float, x: Scale, y: Scale, scale: int) -> Drawing:
    """The line and the band of mean ± std."""
    at = costs_along(curve, axis)

    def points(places: Iterable[int], sign: int) -> Iterator[tuple[float, float]]:
        for place in places:
            value = curve.mean[place] + sign * (curve.std[place] or 0.0)
            yield x(at[place] / size), y(scale * value)

    few = thinned(len(at), BAND_POINTS)
    known = len(few) > 1 and all(curve.std[place] is not None for place in few)
    shade = band([*points(few, 1)], [*points(few, -1)]) if known else ""
    return Drawing(path([*points(thinned(len(at)), 0)]), shade)
