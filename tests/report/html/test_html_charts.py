"""A column's small charts, on curves short enough to be drawn by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from support.made_up_boards import board, curve

from lpa3bench.boards.board import Cell
from lpa3bench.report.html import board_page
from lpa3bench.report.html.charts import (
    PLOT_HEIGHT,
    PLOT_WIDTH,
    Chart,
    ChartPanel,
    ChartView,
    Drawing,
    charts,
)
from lpa3bench.report.html.svg import Tick
from lpa3bench.stats import MeanCurve


def two_epochs(*mean: float, std: float | None = None, cost: float = 1.0) -> MeanCurve:
    passes, seconds = (500.0 * cost, 1000.0 * cost), (cost, 2.0 * cost)
    return MeanCurve(epochs=(1, 2), passes=passes, seconds=seconds, mean=mean, std=(std, std))


def chart_of(**curves: MeanCurve) -> Chart:
    """Of the first column, where only these rows have a curve; the row `equal` is at equal cost."""
    made = board()
    rows = (
        *made.rows,
        replace(made.rows[1], key="equal", name="FixMatch, equal cost"),
        replace(made.rows[3], key="alone", name="Compared with nothing"),
    )
    cells = tuple(
        replace(made.cells[0], row=name.replace("_", "-"), curve=own) for name, own in curves.items()
    )
    (chart,) = charts(replace(made, rows=rows, cells=cells, equal_cost="equal"))
    return chart


def drawing(chart: Chart, panel: ChartPanel, axis: str, shown: str) -> tuple[ChartView, Drawing]:
    (found,) = (
        (view, drawn)
        for view, drawn in zip(chart.views, panel.line.drawings, strict=True)
        if (view.axis, view.shown) == (axis, shown)
    )
    return found


def test_points_stand_where_cost_and_score_put_them() -> None:
    """From 80 to 90 per cent, on an axis of that length: after one of two epochs below, at the end on top."""
    chart = chart_of(fixmatch=two_epochs(0.8, 0.9))
    assert [view.axis for view in chart.views] == ["passes", "epochs", "seconds"], "counted passes come first"
    line = f"M{PLOT_WIDTH // 2} {PLOT_HEIGHT}l{PLOT_WIDTH // 2}-{PLOT_HEIGHT}"
    assert [drawn.d for drawn in chart.panels[0].line.drawings] == [line] * 3
    assert {(view.y[0], view.y[-1]) for view in chart.views} == {(Tick(PLOT_HEIGHT, "80"), Tick(0, "90"))}
    assert [view.label for view in chart.views] == ["thousands of image passes", "epochs", "s of training"]
    assert chart.views[1].x[-1].text == "2"
    assert chart.panels[0].line.drawings[0].band == ""
    assert chart.opens_at is None


def test_the_band_is_a_standard_deviation_wide_and_inside() -> None:
    chart = chart_of(fixmatch=two_epochs(0.8, 0.9, std=0.05))
    view, drawn = drawing(chart, chart.panels[0], "passes", "score")
    assert (view.y[0].text, view.y[-1].text) == ("75", "95")
    x, unit = PLOT_WIDTH // 2, PLOT_HEIGHT / 20
    assert drawn.band == (f"M{x} {10 * unit:.0f}l{x}-{10 * unit:.0f} 0 {10 * unit:.0f}-{x} {10 * unit:.0f}z")


def test_the_axis_leaves_out_the_first_steps_and_says_so() -> None:
    long = replace(curve(0.9, 10), mean=(0.1, 0.5, 0.6, *(0.9,) * 6, 0.94), std=(None,) * 10)
    chart = chart_of(fixmatch=long)
    assert chart.opens_at == "90"
    assert chart.views[0].y[0].text == "90"


def test_each_method_is_beside_its_baseline_and_the_row_at_equal_cost() -> None:
    chart = chart_of(
        fixmatch=two_epochs(0.8, 0.9),
        fixmatch_lpa3=two_epochs(0.7, 0.95, cost=2),
        equal=two_epochs(0.8, 0.92, cost=2),
        alone=two_epochs(0.5, 0.6),
    )
    told = [(panel.line.row.key, panel.baseline, panel.equal_cost) for panel in chart.panels]
    assert told == [
        ("fixmatch-lpa3", "fixmatch", "equal"),
        ("equal", "fixmatch", None),
        ("alone", None, None),
    ], "the best first; a baseline is in every panel and has none of its own"
    assert [line.row.key for line in chart.baselines] == ["fixmatch"]
    assert [line.row.key for line in chart.equal_costs] == ["equal"]


def test_a_difference_is_taken_at_equal_cost_and_from_the_last_score_beyond_it() -> None:
    """The baseline ends at 1,000 passes with 0.9. LP-A3 has 0.7 there, and ends at twice that with 0.95."""
    chart = chart_of(fixmatch=two_epochs(0.8, 0.9), fixmatch_lpa3=two_epochs(0.7, 0.95, cost=2))
    for axis, first in (("passes", -20.0), ("seconds", -20.0), ("epochs", -10.0)):
        view, drawn = drawing(chart, chart.panels[0], axis, "difference")
        low, high = (float(tick.text.replace("−", "-")) for tick in (view.y[0], view.y[-1]))
        assert low <= 0 <= high

        def height(points: float, low: float = low, high: float = high) -> int:
            return round(PLOT_HEIGHT * (high - points) / (high - low))

        assert view.zero == pytest.approx(height(0), abs=0.6)
        start, rise = re.fullmatch(r"M\d+ (-?\d+)l\d+ ?(-?\d+)", drawn.d).groups()  # type: ignore[union-attr]
        assert int(start) == height(first)
        assert int(start) + int(rise) == height(5.0)
        assert drawn.band == "", "the deviation of differences is of neither curve"


def test_no_difference_is_drawn_before_the_baseline_has_a_score() -> None:
    chart = chart_of(fixmatch=two_epochs(0.8, 0.9, cost=3), fixmatch_lpa3=two_epochs(0.7, 0.95))
    _, drawn = drawing(chart, chart.panels[0], "passes", "difference")
    assert drawn.d == "" or drawn.d.count("l") == 0


def test_without_a_baseline_there_are_no_differences() -> None:
    assert {view.shown for view in chart_of(alone=two_epochs(0.5, 0.6)).views} == {"score"}


def test_the_page_names_each_drawing_and_says_n_as_the_table_does() -> None:
    page = board_page(board())
    titles = re.findall(r'<svg class="curve" [^>]*role="img"><title>(.*?)</title>', page, re.DOTALL)
    assert titles[0] == (
        "FixMatch + LP-A3, 40 labels: test last epoch against its cost, last 96.09 ± 0.23 %, n 5; "
        "beside FixMatch, last 93.79"
    )
    assert "FixMatch, the baseline: 93.79 ± 0.23 %, n 5" in " ".join(page.split())
    used = {*re.findall(r'<use [^>]*href="#([^"]+)"', page)}
    assert used
    assert used <= {*re.findall(r' id="([^"]+)"', page)}


def test_lines_are_told_apart_by_dash_and_not_by_colour_alone() -> None:
    style = re.search(r"<style>(.*?)</style>", board_page(board()), re.DOTALL)
    assert style
    base, equal = (re.search(rf"^\.{name} {{(.*)}}$", style[1], re.MULTILINE) for name in ("base", "equal"))
    assert base
    assert equal
    dashes = {re.search(r"stroke-dasharray: ([^;]+);", rule[1])[1] for rule in (base, equal)}  # type: ignore[index]
    assert len(dashes) == 2


def test_a_row_without_a_curve_has_no_chart() -> None:
    made = board()
    bare = replace(made, cells=tuple(Cell(row=cell.row, column=cell.column) for cell in made.cells))
    assert charts(bare) == []
