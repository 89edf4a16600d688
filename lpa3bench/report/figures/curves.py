"""The paper's Fig. 4: test accuracy during training, against epochs, counted passes and wall-clock."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lpa3bench.records import Record
from lpa3bench.report.figures.drawing import COLOURS, LINES, canvas, caption, save, styled
from lpa3bench.report.figures.series import Panel

By = Literal["epochs", "passes", "seconds"]
AXES: dict[By, str] = {
    "epochs": "epochs",
    "passes": "counted passes (forward equivalents, millions)",
    "seconds": "seconds of training",
}
TEXT = (
    "Test accuracy after each epoch: mean over seeds, and a band of one standard deviation (n − 1) each way. "
    "Where seeds differ in passes or seconds, an epoch stands at their mean. A backward pass to the weights "
    "counts as two passes, to the image as one; evaluation is not counted."
)
LEGEND = 40
"""Characters on a line of the legend."""
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Curve:
    """One arm's curve, by epoch."""

    x: Array
    """float [E]"""
    mean: Array
    """float [E], per cent"""
    std: Array | None
    """float [E], per cent, with n − 1; None for a single seed."""
    n: int


def curve(records: Sequence[Record], by: By) -> Curve:
    """Mean and spread over seeds, epoch by epoch."""
    length = min(len(record.curve) for record in records)
    test = np.array([[100 * row["test"] for row in record.curve[:length]] for record in records])
    x = np.array([[_place(row, by) for row in record.curve[:length]] for record in records])
    std = test.std(axis=0, ddof=1) if len(records) > 1 else None
    return Curve(x.mean(axis=0), test.mean(axis=0), std, len(records))


def _place(row: dict[str, Any], by: By) -> float:
    if by == "epochs":
        return float(row["epoch"] + 1)
    return float(row["passes"] / 1e6 if by == "passes" else row["seconds"])


def draw(rows: Sequence[Panel], by: Sequence[By], out: Path) -> list[Path]:
    """Draw a row for each panel (at least one), with axes for each of `by`, and write SVG and PNG."""
    longest = min(LEGEND, max(len(arm.name) for panel in rows for arm in panel.arms))
    with styled():
        figure = canvas(0.4 + 3.6 * len(by) + 1.2 + 0.065 * longest, 0.7 + 2.55 * len(rows))
        grid = figure.subplots(len(rows), len(by), squeeze=False, sharey="row")
        for panel, line in zip(rows, grid, strict=True):
            for axes, what in zip(line, by, strict=True):
                _panel(axes, panel, what)
            line[0].set_ylabel("test accuracy, %")
            line[0].set_title(panel.title, loc="left", fontweight="bold")
            line[-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1), handlelength=2.6)
        caption(figure, TEXT)
        return save(figure, out)


def _panel(axes: Axes, panel: Panel, by: By) -> None:
    for place, arm in enumerate(panel.arms):
        found = curve(arm.records, by)
        colour, dash = COLOURS[place % len(COLOURS)], LINES[place % len(LINES)]
        label = "\n".join(textwrap.wrap(f"{arm.name} (n = {found.n})", LEGEND))
        marker = "o" if len(found.x) == 1 else None
        axes.plot(
            found.x, found.mean, color=colour, linestyle=dash, linewidth=1.6, marker=marker, label=label
        )
        if found.std is not None:
            low, high = found.mean - found.std, found.mean + found.std
            axes.fill_between(found.x, low, high, color=colour, alpha=0.16, linewidth=0)
    axes.set_xlabel(AXES[by])
    axes.set_xlim(left=0)
    if by == "epochs":
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
