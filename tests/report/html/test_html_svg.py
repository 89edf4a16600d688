"""The geometry of line charts, on few points."""

from __future__ import annotations

import re
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.report.html.svg import Scale, Tick, band, dots, path, round_values, thinned


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


def test_a_path_goes_from_point_to_point_in_whole_pixels() -> None:
    assert path([(0, 10.26), (33.333, 4.0), (40, 5), (40.2, 5.1)]) == "M0 10l33-6 7 1 0 0"
    assert path([(-3.4, 7)]) == "M-3 7"
    assert band([(0, 1), (2, 1)], [(0, 3), (2, 3)]) == "M0 1l2 0 0 2-2 0z"
    assert dots([(1, 2), (3.6, 2)]) == "M1 2h0M4 2h0"


@given(st.lists(st.tuples(st.floats(-900, 900), st.floats(-900, 900)), min_size=1, max_size=9))
def test_the_steps_of_a_path_add_up_to_its_points(points: list[tuple[float, float]]) -> None:
    numbers = [int(text) for text in re.findall(r"-?\d+", path(points))]
    steps = [*zip(numbers[::2], numbers[1::2], strict=True)]
    places = [*accumulate(steps, lambda at, step: (at[0] + step[0], at[1] + step[1]))]
    assert places == [(round(x), round(y)) for x, y in points]


def test_a_tick_below_zero_has_a_minus() -> None:
    assert [tick.text for tick in Scale(-2, 2, 40, 0).ticks(5)] == ["−2", "−1", "0", "1", "2"]
