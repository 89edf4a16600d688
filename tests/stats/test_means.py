"""Means, their spread, and intervals."""

from __future__ import annotations

import random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.stats import FEWEST_FOR_INTERVAL, bootstrap_interval, summarise

SCORES = st.lists(st.integers(0, 1000).map(lambda k: k / 1000), min_size=10, max_size=14)


def test_the_standard_deviation_is_the_samples() -> None:
    """Of 1, 2, 3, 4: deviations ±1.5 and ±0.5, squares 5, divided by n − 1 = 3."""
    of = summarise([0.1, 0.2, 0.3, 0.4])
    assert of.mean == pytest.approx(0.25)
    assert of.std == pytest.approx((0.05 / 3) ** 0.5)
    assert (of.n, of.low, of.high) == (4, None, None)


def test_of_one_value_and_of_none() -> None:
    assert (summarise([0.5]).mean, summarise([0.5]).std) == (0.5, None)
    assert (summarise([]).n, summarise([]).mean, summarise([]).std) == (0, None, None)


def test_an_interval_is_given_from_a_stated_number_on() -> None:
    values = [k / 100 for k in range(FEWEST_FOR_INTERVAL)]
    assert bootstrap_interval(values[1:]) is None
    low, high = bootstrap_interval(values) or (1.0, 0.0)
    assert values[0] < low < sum(values) / len(values) < high < values[-1]


@pytest.mark.filterwarnings("error")
def test_equal_values_have_an_interval_without_width() -> None:
    assert bootstrap_interval([0.1 + 0.2] * 6 + [0.3] * 6) == (0.3, 0.3)
    assert bootstrap_interval([-0.5] * 12) == (-0.5, -0.5)


@given(SCORES, st.randoms())
@pytest.mark.filterwarnings("error")
def test_an_interval_knows_no_order_and_turns_with_the_sign(values: list[float], draw: random.Random) -> None:
    shuffled = draw.sample(values, len(values))
    centred = [value - 0.5 for value in values]
    low, high = bootstrap_interval(centred) or (1.0, 0.0)
    assert low <= high
    assert bootstrap_interval(values) == bootstrap_interval(shuffled)
    assert bootstrap_interval([-value for value in centred]) == (-high, -low)


def test_intervals_cover_about_what_is_said_of_them() -> None:
    """Of ten normal values: more than 85 and fewer than 97 in a hundred cover the true mean."""
    draw = random.Random(0)
    normal = NormalDist()
    trials = 300
    covered = 0
    for _ in range(trials):
        low, high = bootstrap_interval([normal.inv_cdf(draw.random()) for _ in range(10)]) or (1.0, 0.0)
        covered += low <= 0.0 <= high
    assert 0.85 < covered / trials < 0.97
