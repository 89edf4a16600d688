"""The geometry of charts, on curves small enough to be drawn by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from support.made_up_boards import board, large

from lpa3bench.report.html import charts as drawn
from lpa3bench.report.html.svg import (
    COLOUR_COUNT,
    DASHES,
    Scale,
    Tick,
    band,
    dash,
    path,
    round_values,
    thinned,
)
from lpa3bench.stats import MeanCurve


def test_a_scale_takes_values_to_pixels_and_may_run_downwards() -> None:
    assert Scale(0, 4, 0, 400)(1) == 100
    assert Scale(90, 100, 200, 0)(90) == 200
    assert Scale(90, 100, 200, 0)(97.5) == 50
    assert Scale(5, 5, 0, 400)(5) == 0


def test_ticks_stand_at_round_values() -> None:
    assert Scale(0, 30, 0, 300).ticks(4) == (
        Tick(0, "0"),
        Tick(100, "10"),
        Tick(200, "20"),
        Tick(300, "30"),
    )
    values, decimals = round_values(0.93, 0.98, 6)
    assert [f"{value:.{decimals}f}" for value in values] == ["0.93", "0.94", "0.95", "0.96", "0.97", "0.98"]
    assert round_values(0, 2, 7, least=1.0) == ((0, 1, 2), 0), "there is no half epoch"
    assert round_values(3, 3) == ((3,), 0)


@given(st.floats(0, 1e6), st.floats(1e-3, 1e6), st.integers(2, 9))
def test_there_are_some_ticks_and_never_too_many_and_all_lie_inside(
    low: float, width: float, most: int
) -> None:
    values, decimals = round_values(low, low + width, most)
    assert len(values) <= most
    assert decimals >= 0
    assert all(low - 1e-6 * width <= value <= low + width * (1 + 1e-6) for value in values)
    if most > 4:
        assert values


@given(st.integers(1, 3000), st.integers(2, 100))
def test_thinning_keeps_both_ends_and_the_order(length: int, most: int) -> None:
    places = thinned(length, most)
    assert len(places) == min(length, most)
    assert (places[0], places[-1]) == (0, length - 1)
    assert sorted({*places}) == places


def test_paths_hold_a_decimal_at_most() -> None:
    assert path([(0, 10.26), (33.333, 4.0), (-0.001, 5)]) == "M0 10.3L33.3 4L0 5"
    assert band([(0, 1), (2, 1)], [(0, 3), (2, 3)]) == "M0 1L2 1L2 3L0 3Z"


def test_lines_differ_in_colour_or_dash_and_neighbours_in_both() -> None:
    looks = [(line % COLOUR_COUNT, dash(line)) for line in range(COLOUR_COUNT * len(DASHES))]
    assert len({*looks}) == len(looks)
    assert all(a[0] != b[0] and a[1] != b[1] for a, b in pairwise(looks))


# ------------------------------------------------------------------------------------------ a whole chart
def two_epochs(*mean: float, std: float | None = None) -> MeanCurve:
    return MeanCurve(epochs=(1, 2), passes=(500.0, 1000.0), seconds=(1.0, 2.0), mean=mean, std=(std, std))


def chart_of(curve: MeanCurve) -> drawn.Chart:
    made = board()
    only = replace(made.cells[0], curve=curve)
    (chart,) = drawn.charts(replace(made, cells=(only,)))
    return chart


def test_points_stand_where_epoch_and_accuracy_put_them() -> None:
    """From 80 to 90 per cent, on an axis of that length: after one of two epochs below, at the end on top."""
    chart = chart_of(two_epochs(0.8, 0.9))
    assert (chart.y[0], chart.y[-1]) == (Tick(drawn.PLOT_HEIGHT, "80"), Tick(0, "90"))
    epochs, passes, seconds = chart.panels
    line = f"M{drawn.PLOT_WIDTH // 2} {drawn.PLOT_HEIGHT}L{drawn.PLOT_WIDTH} 0"
    assert [panel.lines[0].d for panel in chart.panels] == [line] * 3
    assert [tick.text for tick in epochs.x][-1] == "2"
    assert passes.label == "thousands of image passes (forward equivalents)"
    assert seconds.label == "wall-clock of training (s)"
    assert epochs.lines[0].band == ""
    assert chart.opens_at is None


def test_the_band_is_a_standard_deviation_wide() -> None:
    chart = chart_of(two_epochs(0.8, 0.9, std=0.01))
    above, below = drawn.PLOT_HEIGHT / 10, drawn.PLOT_HEIGHT * 1.1
    x = drawn.PLOT_WIDTH // 2
    expected = (
        f"M{x} {drawn.PLOT_HEIGHT - above:.0f}L{2 * x} {-above:.0f}L{2 * x} {above:.0f}L{x} {below:.0f}Z"
    )
    assert chart.panels[0].lines[0].band == expected


def test_the_axis_leaves_out_the_first_steps_and_says_so() -> None:
    long = MeanCurve(
        epochs=tuple(range(1, 11)),
        passes=tuple(100.0 * e for e in range(1, 11)),
        seconds=tuple(1.0 * e for e in range(1, 11)),
        mean=(0.1, 0.5, *(0.9,) * 7, 0.94),
        std=(None,) * 10,
    )
    chart = chart_of(long)
    assert chart.opens_at == "90"
    assert chart.y[0].text == "90"


def test_a_chart_shows_the_best_lines_first_and_few_at_once() -> None:
    chart = drawn.charts(large(rows=9, columns=1, n=2, epochs=5))[0]
    finals = [line.cell.curve.mean[-1] for line in chart.lines if line.cell.curve]
    assert finals == sorted(finals, reverse=True)
    assert [line.at_first for line in chart.lines] == [True] * drawn.AT_FIRST + [False] * 3
    assert len({(line.colour, line.dash) for line in chart.lines}) == 9


def test_a_method_looks_the_same_in_every_chart() -> None:
    looks: dict[str, set[tuple[int, str]]] = {}
    charts = drawn.charts(board())
    assert len(charts) == 2
    for line in (line for chart in charts for line in chart.lines):
        looks.setdefault(line.row.key, set()).add((line.colour, line.dash))
    assert [len(found) for found in looks.values()] == [1, 1, 1]
