"""Numbers as a reader sees them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.boards.board import Measure
from lpa3bench.report.numbers import (
    format_count,
    format_difference,
    format_p,
    format_percent,
    format_seconds,
    format_seeds,
    format_value,
)

SHARE = Measure(key="last", name="last", text="", unit="%")
SECONDS = Measure(key="s", name="s", text="", unit="s", higher_is_better=False)


def test_shares_are_shown_in_per_cent_and_other_numbers_as_they_are() -> None:
    assert format_value(0.98314, SHARE) == "98.31"
    assert format_value(0.02431, SECONDS) == "0.0243"
    assert format_value(None, SHARE) == "–"


def test_differences_have_a_sign_and_nought_has_none() -> None:
    assert format_difference(0.0123, SHARE) == "+1.23"
    assert format_difference(-0.0123, SHARE) == "−1.23"
    assert format_difference(0.0, SHARE) == format_difference(-1e-9, SHARE) == "0.00"
    assert format_difference(None, SHARE) == "–"


@given(st.floats(-1, 1))
def test_a_difference_can_be_read_back(share: float) -> None:
    text = format_difference(share, SHARE)
    assert float(text.replace("−", "-")) == pytest.approx(100 * share, abs=0.00501)


def test_costs_have_three_significant_digits() -> None:
    shown = [format_value(number, SECONDS) for number in (0.0243, 1.2, 64.0, 1024.0, 0.0, -0.5)]
    assert shown == ["0.0243", "1.20", "64.0", "1024", "0.00", "−0.500"]
    assert format_percent(0.1235) == "12.35"


@pytest.mark.parametrize(
    ("count", "text"),
    [(12, "12"), (950.0, "950"), (72080, "72.1 k"), (1.5e6, "1.50 M"), (2e9, "2 G"), (None, "–")],
)
def test_large_counts_are_short(count: float | None, text: str) -> None:
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.819, "1.82 s"), (119, "119 s"), (150, "2.50 min"), (7200, "2 h"), (None, "–")]
)
def test_durations_have_a_fitting_unit(seconds: float | None, text: str) -> None:
    assert format_seconds(seconds) == text


def test_small_p_values_are_only_said_to_be_small() -> None:
    assert format_p(0.00012) == "< 0.001"
    assert format_p(0.0625) == "0.062"
    assert format_p(1.0) == "1"
    assert format_p(None) == "–"


@pytest.mark.parametrize(
    ("seeds", "told"),
    [((100, 101, 102), "100 to 102"), ((0, 1), "0, 1"), ((7,), "7"), ((0, 3, 7), "0, 3, 7")],
)
def test_seeds_that_follow_each_other_are_a_span(seeds: tuple[int, ...], told: str) -> None:
    assert format_seeds(seeds) == told
