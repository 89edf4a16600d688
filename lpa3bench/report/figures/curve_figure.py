"""The paper's Fig. 4: test accuracy during training, against counted passes, epochs or wall-clock."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lpa3bench.boards.measures import chosen_measure, metric_of
from lpa3bench.errors import DataError
from lpa3bench.report.figures.drawing import (
    GREY_INK,
    LINE_COLOURS,
    canvas,
    caption,
    legend_above,
    save,
    styled,
)
from lpa3bench.report.figures.series import Arm, Panel, Role
from lpa3bench.report.numbers import scale_of
from lpa3bench.stats.curves import MeanCurve, Progress, difference_curve, mean_curve

AXIS_LABELS: dict[Progress, str] = {
    "passes": "counted passes (forward equivalents, millions)",
    "epochs": "epochs",
    "seconds": "seconds of training",
}
SECOND_HALF = 0.5
"""The vertical axis shows where the methods are after this share of their training."""
POINTS = 60
"""Epochs of a line that are drawn, evenly, the first and the last among them: more of them are a scribble."""
SIDE_BY_SIDE = 3
"""Panels in a row, where there is one axis."""
TITLE = 40
"""Characters on a line of a panel's title."""


class LineStyle(NamedTuple):
    colour: str
    dash: Any
    width: float


ROLE_STYLES: dict[Role, LineStyle] = {
    "baseline": LineStyle("#000000", (0, (5, 2)), 1.3),
    "equal cost": LineStyle(LINE_COLOURS[1], (0, (5, 1.5, 1, 1.5)), 1.5),
}
"""The two baselines differ in colour and in line."""
METHOD_STYLES = tuple(
    LineStyle(colour, dash, 1.7)
    for dash in ("-", (0, (1.2, 1.2)), (0, (9, 2)))
    for colour in (*LINE_COLOURS[:1], *LINE_COLOURS[2:6])
)


@dataclass(frozen=True)
class _Drawn:
    """A line of a panel: what it shows, in the unit shown."""

    arm: Arm
    x: np.ndarray[Any, Any]
    mean: np.ndarray[Any, Any]
    std: np.ndarray[Any, Any] | None
    n: int

    @property
    def spread(self) -> np.ndarray[Any, Any]:
        """The standard deviation, 0 where it is unknown."""
        return np.zeros_like(self.mean) if self.std is None else self.std


def axis_positions(curve: MeanCurve, by: Progress) -> list[float]:
    """Where the epochs of a curve stand on an axis."""
    if by == "epochs":
        return [*map(float, curve.epochs)]
    return [passes / 1e6 for passes in curve.passes] if by == "passes" else [*curve.seconds]


def draw_curves(
    rows: Sequence[Panel],
    by: Sequence[Progress],
    out: Path,
    *,
    difference: bool = False,
    whole: bool = False,
) -> list[Path]:
    """Draw a panel for each environment, on axes for each of `by`, and write SVG and PNG.

    Args:
        rows: at least one.
        difference: draw how much better or worse than the panel's first line the others are, seed by seed.
        whole: show all that was measured, and not the range in which methods differ alone.

    Raises:
        DataError: a score is undefined, or there is nothing to take a difference from.
    """
    measure = chosen_measure(None, [record for panel in rows for arm in panel.arms for record in arm.records])
    score = measure.name.partition(",")[0]
    metric, scale = metric_of(measure.key), scale_of(measure)
    styles = line_styles(rows)
    columns = len(by) if len(by) > 1 else min(SIDE_BY_SIDE, len(rows))
    lines = -(-len(rows) * len(by) // columns)
    with styled():
        figure = canvas(0.5 + 3.3 * max(columns, 2), 1.1 + 2.35 * lines)
        grid = figure.subplots(lines, columns, squeeze=False, sharey="row" if len(by) > 1 else "none")
        places = [(panel, what) for panel in rows for what in by]
        for axes, (panel, what) in zip(grid.flat, places, strict=False):
            found = [*_drawn(panel, what, metric, scale, difference)]
            if difference:
                style = styles[panel.arms[0].name]
                axes.axhline(0, color=style.colour, linestyle=style.dash, linewidth=style.width)
            for line in found:
                _draw(axes, line, styles[line.arm.name])
            _finish(axes, found, what, higher=measure.higher_is_better, difference=difference, whole=whole)
            if what == by[0]:
                axes.set_title(textwrap.fill(panel.title, TITLE), loc="left", fontweight="bold")
        for axes in grid.flat[len(places) :]:
            axes.set_axis_off()
        for number, axes in enumerate(grid.flat[: len(places)]):
            if number + columns >= len(places):
                axes.set_xlabel(AXIS_LABELS[by[number % len(by)]])
        unit = "points" if measure.unit == "%" and difference else measure.unit
        for axes in grid[:, 0]:
            what_is = f"difference of test {score}" if difference else f"test {score}"
            axes.set_ylabel(f"{what_is}, {unit}".rstrip(", "))
        handles = [
            Line2D([], [], color=s.colour, linestyle=s.dash, linewidth=s.width) for s in styles.values()
        ]
        legend_above(figure, handles, [*styles])
        text = _caption(rows, by, score, difference=difference, whole=whole)
        caption(figure, text)
        against = " and ".join(AXIS_LABELS[what].partition(" (")[0] for what in by)
        title = f"Test {score} against {against}: {'; '.join(panel.title for panel in rows)}"
        return save(figure, out, title=title, text=text)


def line_styles(rows: Iterable[Panel]) -> dict[str, LineStyle]:
    """By the name of a method, the same in every panel; baselines first. Of several baselines of one kind
    the further ones are drawn as methods."""
    arms = {arm.name: arm for panel in rows for arm in panel.arms}
    found: dict[str, LineStyle] = {}
    for role, style in ROLE_STYLES.items():
        if name := next((arm.name for arm in arms.values() if arm.role == role), None):
            found[name] = style
    others = [name for name in arms if name not in found]
    return found | {name: METHOD_STYLES[n % len(METHOD_STYLES)] for n, name in enumerate(others)}


def drawn_range(
    curves: Sequence[tuple[Sequence[float], Sequence[float]]], *, best: Callable[[list[float]], float] | None
) -> tuple[float, float]:
    """All means after `SECOND_HALF` of a training, and the whole band at its end.

    Args:
        curves: means and standard deviations, epoch by epoch.
        best: of all means; it is in the range whenever it was. None: there is no best one.
    """
    settled = [value for mean, _ in curves for value in mean[int(len(mean) * SECOND_HALF) :]]
    ends = [mean[-1] + sign * std[-1] for mean, std in curves for sign in (-1, 1)]
    peaks = [best([value for mean, _ in curves for value in mean])] if best else []
    values = [*settled, *ends, *peaks]
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.01 * abs(high) or 0.01
    return low - room, high + room


def _drawn(panel: Panel, by: Progress, metric: str, scale: int, difference: bool) -> Iterable[_Drawn]:
    first = panel.arms[0]
    for arm in panel.arms[1:] if difference else panel.arms:
        if difference:
            curve = difference_curve(arm.records, first.records, metric, by)
            seeds = {record.seed for record in first.records}
            n = sum(record.seed in seeds for record in arm.records)
            why = (
                f"no difference from {first.name} is defined: it takes seeds that both have, and their scores"
            )
        else:
            curve, n = mean_curve(arm.records, metric), len(arm.records)
            why = "a score is undefined, so there is no mean to draw"
        if curve is None:
            raise DataError(f"{panel.title}, {arm.name}: {why}")
        shown = epochs_drawn(len(curve.mean))
        std = None if n < 2 else scale * np.array(curve.std, dtype=float)[shown]
        x = np.array(axis_positions(curve, by))[shown]
        yield _Drawn(arm, x, scale * np.array(curve.mean)[shown], std, n)


def epochs_drawn(epochs: int) -> np.ndarray[Any, Any]:
    """The places, of so many, that are drawn."""
    return np.unique(np.linspace(0, epochs - 1, POINTS).round().astype(int))


def _draw(axes: Axes, line: _Drawn, style: LineStyle) -> None:
    marker = "o" if len(line.x) == 1 else None
    axes.plot(
        line.x, line.mean, color=style.colour, linestyle=style.dash, linewidth=style.width, marker=marker
    )
    if line.std is not None:
        low, high = line.mean - line.std, line.mean + line.std
        axes.fill_between(line.x, low, high, color=style.colour, alpha=0.14, linewidth=0)


def _finish(
    axes: Axes, lines: Sequence[_Drawn], by: Progress, *, higher: bool, difference: bool, whole: bool
) -> None:
    """The axes' ranges, and how many seeds there are."""
    axes.set_xlim(left=0)
    if by == "epochs":
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if not lines:
        axes.text(0.5, 0.5, "nothing to compare", ha="center", transform=axes.transAxes, color=GREY_INK)
        return
    if not whole:
        curves = [(line.mean.tolist(), line.spread.tolist()) for line in lines]
        if difference:
            low, high = drawn_range([*curves, ([0.0], [0.0])], best=None)
        else:
            low, high = drawn_range(curves, best=max if higher else min)
        axes.set_ylim(low, high)
    axes.text(
        0.98, 0.04, seeds_said(lines), ha="right", transform=axes.transAxes, fontsize=7.5, color="#333333"
    )


def seeds_said(lines: Sequence[_Drawn]) -> str:
    """`n = 12`, and which methods have another n."""
    counts = Counter(line.n for line in lines)
    most = counts.most_common(1)[0][0]
    others = [f"{line.arm.name} {line.n}" for line in lines if line.n != most]
    return "\n".join([f"n = {most}", *others])


def _caption(
    rows: Sequence[Panel], by: Sequence[Progress], score: str, *, difference: bool, whole: bool
) -> str:
    several = any(len(arm.records) > 1 for panel in rows for arm in panel.arms)
    what = (
        f"Test {score} less that of the baseline of the same seed, {rows[0].arms[0].name}, which counts as "
        "it was by then and stays where it ended: mean over the seeds that both have"
        if difference
        else f"Test {score} by epochs, of long trainings {POINTS} of them: mean over seeds"
    )
    band = ", with a band of one standard deviation (n − 1) each way" if several else ""
    parts = [f"{what}{band}; n is their number."]
    if not whole:
        parts.append(
            "The vertical axis shows where the methods are in the second half of their training; what came "
            "before may lie outside."
        )
    if "passes" in by:
        parts.append(
            "A backward pass to the weights counts as two passes, to the image as one; evaluation is not "
            "counted."
        )
    if {*by} != {"epochs"}:
        costs = " or ".join(what for what in by if what != "epochs")
        parts.append(f"Where seeds differ in {costs}, an epoch stands at their mean.")
    return " ".join(parts)
