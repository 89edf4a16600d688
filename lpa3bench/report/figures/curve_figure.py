"""The paper's Fig. 4: test accuracy during training, against epochs, counted passes and wall-clock."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lpa3bench.boards.board import Measure
from lpa3bench.boards.measures import chosen_measure, metric_of
from lpa3bench.errors import DataError
from lpa3bench.report.figures.drawing import LINE_COLOURS, LINE_DASHES, canvas, caption, save, styled
from lpa3bench.report.figures.series import Panel
from lpa3bench.report.numbers import scale_of
from lpa3bench.stats.curves import MeanCurve, mean_curve

By = Literal["epochs", "passes", "seconds"]
AXIS_LABELS: dict[By, str] = {
    "epochs": "epochs",
    "passes": "counted passes (forward equivalents, millions)",
    "seconds": "seconds of training",
}
CURVES_CAPTION = (
    "Test {score} after each epoch: mean over seeds, and a band of one standard deviation (n − 1) each way. "
    "Where seeds differ in passes or seconds, an epoch stands at their mean. A backward pass to the weights "
    "counts as two passes, to the image as one; evaluation is not counted."
)
LEGEND = 40
"""Characters on a line of the legend."""


def axis_positions(curve: MeanCurve, by: By) -> list[float]:
    """Where the epochs of a curve stand on an axis."""
    if by == "epochs":
        return [*map(float, curve.epochs)]
    return [passes / 1e6 for passes in curve.passes] if by == "passes" else [*curve.seconds]


def draw_curves(rows: Sequence[Panel], by: Sequence[By], out: Path) -> list[Path]:
    """Draw a row for each panel (at least one), with axes for each of `by`, and write SVG and PNG.

    Raises:
        DataError: a score is undefined.
    """
    measure = chosen_measure(None, [record for panel in rows for arm in panel.arms for record in arm.records])
    score = measure.name.partition(",")[0]
    longest = min(LEGEND, max(len(arm.name) for panel in rows for arm in panel.arms))
    with styled():
        figure = canvas(0.4 + 3.6 * len(by) + 1.2 + 0.065 * longest, 0.7 + 2.55 * len(rows))
        grid = figure.subplots(len(rows), len(by), squeeze=False, sharey="row")
        for panel, line in zip(rows, grid, strict=True):
            for axes, what in zip(line, by, strict=True):
                _panel(axes, panel, what, measure)
            line[0].set_ylabel(f"test {score}, {measure.unit}".rstrip(", "))
            line[0].set_title(panel.title, loc="left", fontweight="bold")
            line[-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1), handlelength=2.6)
        caption(figure, CURVES_CAPTION.format(score=score))
        return save(figure, out)


def _panel(axes: Axes, panel: Panel, by: By, measure: Measure) -> None:
    scale = scale_of(measure)
    for place, arm in enumerate(panel.arms):
        found = mean_curve(arm.records, metric_of(measure.key))
        if found is None:
            raise DataError(f"{panel.title}, {arm.name}: a score is undefined, so there is no mean to draw")
        colour, dash = LINE_COLOURS[place % len(LINE_COLOURS)], LINE_DASHES[place % len(LINE_DASHES)]
        label = "\n".join(textwrap.wrap(f"{arm.name} (n = {len(arm.records)})", LEGEND))
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
