"""Means, their spread, and intervals."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.stats import FEWEST_FOR_INTERVAL, student_interval, summarise

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
    """Of 0 to 5: mean 2.5, deviation √3.5, and Student's quantile for 5 degrees of freedom is 2.5706."""
    values = [float(k) for k in range(FEWEST_FOR_INTERVAL)]
    assert student_interval(values[1:]) is None
    half = 2.570582 * 3.5**0.5 / 6**0.5
    assert student_interval(values) == pytest.approx((2.5 - half, 2.5 + half), abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_equal_values_have_an_interval_without_width() -> None:
    assert student_interval([0.1 + 0.2] * 6 + [0.3] * 6) == pytest.approx((0.3, 0.3))
    assert student_interval([-0.5] * 12) == (-0.5, -0.5)


@given(SCORES, st.randoms())
@pytest.mark.filterwarnings("error")
def test_an_interval_knows_no_order_and_turns_with_the_sign(values: list[float], draw: random.Random) -> None:
    shuffled = draw.sample(values, len(values))
    centred = [value - 0.5 for value in values]
    low, high = student_interval(centred) or (1.0, 0.0)
    assert low <= high
    assert student_interval(values) == student_interval(shuffled)
    assert student_interval([-value for value in centred]) == (-high, -low)


@pytest.mark.parametrize("n", [6, 12, 30])
@pytest.mark.parametrize(("share", "between"), [(0.95, 0.006), (0.98, 0.003)])
def test_intervals_cover_95_in_100(n: int, share: float, between: float) -> None:
    """Of counts of 717 images whose share varies from seed to seed; three standard errors are allowed."""
    draw = np.random.default_rng(n)
    trials = 2000
    counts = np.rint(717 * draw.normal(share, between, size=(trials, n)))
    intervals = [student_interval([*row]) or (1.0, 0.0) for row in counts / 717]
    covered = sum(low <= share <= high for low, high in intervals)
    assert covered / trials >= 0.95 - 3 * (0.95 * 0.05 / trials) ** 0.5
