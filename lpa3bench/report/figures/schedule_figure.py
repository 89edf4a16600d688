"""What methods reach on schedules of several lengths, against what these cost."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from lpa3bench.boards.board import Measure
from lpa3bench.report.figures.curve_figure import SIDE_BY_SIDE, TITLE, LineStyle, line_styles
from lpa3bench.report.figures.drawing import canvas, caption, legend_above, save, styled
from lpa3bench.report.figures.schedules import SchedulePanel
from lpa3bench.report.figures.series import Arm, Panel
from lpa3bench.report.numbers import scale_of

SCHEDULES_CAPTION = (
    "Each point is a whole training on a schedule of its own: mean over seeds of the test {score}, with one "
    "standard deviation (n − 1) each way, at the mean of the counted passes; n is the number of seeds. A "
    "line joins the schedules of one method. A backward pass to the weights counts as two passes, to the "
    "image as one; evaluation is not counted."
)
MILLION = 1e6


def draw_schedules(panels: Sequence[SchedulePanel], measure: Measure, out: Path) -> list[Path]:
    """Draw a panel for each environment, a line for each method, and write SVG and PNG.

    Args:
        panels: at least one.
    """
    score = measure.name.partition(",")[0]
    styles = line_styles(
        Panel(panel.title, tuple(Arm(line.name, (), line.role) for line in panel.lines)) for panel in panels
    )
    columns = min(SIDE_BY_SIDE, len(panels))
    lines = -(-len(panels) // columns)
    with styled():
        figure = canvas(0.5 + 3.6 * max(columns, 2), 1.3 + 2.9 * lines)
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes, panel in zip(grid.flat, panels, strict=False):
            _panel(axes, panel, styles, scale_of(measure))
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes in grid[:, 0]:
            axes.set_ylabel(f"test {measure.name}, {measure.unit}".rstrip(", "))
        handles = [
            Line2D([], [], color=s.colour, linestyle=s.dash, linewidth=s.width, marker="o", markersize=4)
            for s in styles.values()
        ]
        legend_above(figure, handles, [*styles])
        text = SCHEDULES_CAPTION.format(score=score)
        caption(figure, text)
        what = "; ".join(panel.title for panel in panels)
        return save(
            figure, out, title=f"Test {score} against counted passes of whole schedules: {what}", text=text
        )


def _panel(axes: Axes, panel: SchedulePanel, styles: dict[str, LineStyle], scale: int) -> None:
    for line in panel.lines:
        style = styles[line.name]
        axes.errorbar(
            [point.passes / MILLION for point in line.points],
            [scale * point.score.mean for point in line.points],
            yerr=[scale * (point.score.std or 0.0) for point in line.points],
            color=style.colour, linestyle=style.dash, linewidth=style.width, marker="o", markersize=4,
            capsize=2, elinewidth=0.7,
        )  # fmt: skip
    axes.set_xscale("log")
    passes = [point.passes / MILLION for line in panel.lines for point in line.points]
    axes.xaxis.set_major_locator(FixedLocator(_ticks(min(passes), max(passes))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: f"{place:g}"))
    axes.xaxis.set_minor_locator(LogLocator(subs=range(1, 10)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("counted passes (forward equivalents, millions)")
    axes.set_title(textwrap.fill(panel.title, TITLE), loc="left", fontweight="bold")
    axes.text(
        0.98, 0.04, _seeds_said(panel), ha="right", transform=axes.transAxes, fontsize=7.5, color="#333333"
    )


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each power of ten within the range, with a little room."""
    places = [digit * 10.0**power for power in range(-9, 10) for digit in (1, 2, 5)]
    return [place for place in places if low / 1.5 <= place <= high * 1.5]


def _seeds_said(panel: SchedulePanel) -> str:
    counts = {point.score.n for line in panel.lines for point in line.points}
    return f"n = {min(counts)}" if len(counts) == 1 else f"n = {min(counts)} to {max(counts)}"
