"""The paper's Fig. 4: test accuracy during training, against epochs, counted passes and wall-clock."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lpa3bench.boards.board import Measure
from lpa3bench.boards.measures import measure_of
from lpa3bench.errors import DataError
from lpa3bench.records.summary import LAST
from lpa3bench.report.figures.drawing import LINE_COLOURS, LINE_DASHES, canvas, caption, save, styled
from lpa3bench.report.figures.series import Arm, Panel
from lpa3bench.report.numbers import scale_of
from lpa3bench.stats.curves import MeanCurve, mean_curve

By = Literal["epochs", "passes", "seconds"]
AXIS_LABELS: dict[By, str] = {
    "epochs": "epochs",
    "passes": "counted passes (forward equivalents, millions)",
    "seconds": "seconds of training",
}
CURVES_CAPTION = (
    "The selecting metric on the test set after each epoch: mean over seeds, and a band of one standard "
    "deviation (n − 1) each way. Where seeds differ in passes or seconds, an epoch stands at their mean. A "
    "backward pass to the weights counts as two passes, to the image as one; evaluation is not counted."
)
LEGEND = 40
"""Characters on a line of the legend."""


def axis_positions(curve: MeanCurve, by: By) -> list[float]:
    """Where the epochs of a curve stand on an axis."""
    if by == "epochs":
        return [*map(float, curve.epochs)]
    return [passes / 1e6 for passes in curve.passes] if by == "passes" else [*curve.seconds]


def measure_of_curves(arms: Sequence[Arm]) -> Measure:
    """What a panel's curves show: the metric that its runs select by."""
    select = arms[0].records[0].data.select
    return replace(measure_of(f"{select}.{LAST}", arms[0].records), key=select)


def axis_title(measure: Measure) -> str:
    """Of the vertical axis: "test accuracy, %"."""
    name = measure.name.partition(",")[0]
    return f"test {name}, {measure.unit}" if measure.unit else f"test {name}"


def draw_curves(rows: Sequence[Panel], by: Sequence[By], out: Path) -> list[Path]:
    """Draw a row for each panel (at least one), with axes for each of `by`, and write SVG and PNG.

    Raises:
        DataError: a score is undefined.
    """
    longest = min(LEGEND, max(len(arm.name) for panel in rows for arm in panel.arms))
    with styled():
        figure = canvas(0.4 + 3.6 * len(by) + 1.2 + 0.065 * longest, 0.7 + 2.55 * len(rows))
        grid = figure.subplots(len(rows), len(by), squeeze=False, sharey="row")
        for panel, line in zip(rows, grid, strict=True):
            for axes, what in zip(line, by, strict=True):
                _panel(axes, panel, what)
            line[0].set_ylabel(axis_title(measure_of_curves(panel.arms)))
            line[0].set_title(panel.title, loc="left", fontweight="bold")
            line[-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1), handlelength=2.6)
        caption(figure, CURVES_CAPTION)
        return save(figure, out)


def _panel(axes: Axes, panel: Panel, by: By) -> None:
    for place, arm in enumerate(panel.arms):
        found = mean_curve(arm.records, measure_of_curves(panel.arms).key)
        if found is None:
            raise DataError(f"{panel.title}, {arm.name}: a score is undefined, so there is no mean to draw")
        colour, dash = LINE_COLOURS[place % len(LINE_COLOURS)], LINE_DASHES[place % len(LINE_DASHES)]
        label = "\n".join(textwrap.wrap(f"{arm.name} (n = {len(arm.records)})", LEGEND))
        scale = scale_of(measure_of_curves(panel.arms))
        x, mean = axis_positions(found, by), scale * np.array(found.mean)
        marker = "o" if len(x) == 1 else None
        axes.plot(x, mean, color=colour, linestyle=dash, linewidth=1.6, marker=marker, label=label)
        if len(arm.records) > 1:
            std = scale * np.array(found.std, dtype=float)
            axes.fill_between(x, mean - std, mean + std, color=colour, alpha=0.16, linewidth=0)
    axes.set_xlabel(AXIS_LABELS[by])
    axes.set_xlim(left=0)
    if by == "epochs":
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
