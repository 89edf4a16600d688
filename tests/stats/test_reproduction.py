"""Published means against measured runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.stats import agreement, chance_misses

SCORES = [0.70, 0.72, 0.74]
"""Mean 0.72, standard deviation 0.02; Student's quantile for two degrees of freedom is 4.3027."""


def test_the_interval_by_hand() -> None:
    found = agreement(SCORES, published=0.78, published_n=3)
    half = 4.3027 * 0.02 * (1 / 3 + 1 / 3) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.72 - half, 0.72 + half), abs=1e-6)
    assert found.verdict == "reproduced"
    assert found.why == (
        "78.00 % lies in the 95 % prediction interval 64.97 to 79.03 % (n = 3 here, 3 there)"
    )
    missed = agreement(SCORES, published=0.80, published_n=3)
    assert missed.verdict == "not reproduced"
    assert "80.00 % lies outside of" in missed.why


def test_an_unstated_n_is_taken_as_one() -> None:
    found, one = (agreement(SCORES, published=0.80, published_n=n) for n in (None, 1))
    assert (found.low, found.high, found.verdict) == (one.low, one.high, "reproduced")
    assert found.why.endswith("(n = 3 here, an unstated number of runs, taken as 1 there)")


@given(st.integers(1, 50), st.integers(1, 50))
def test_the_mean_of_more_runs_is_foretold_more_narrowly(m: int, more: int) -> None:
    one, other = (agreement(SCORES, published=0.7, published_n=n) for n in (m, m + more))
    assert one.low < other.low < 0.72 < other.high < one.high  # type: ignore[operator]


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        ([], "not testable: 0 runs; it takes 3"),
        ([0.5], "not testable: 1 run; it takes 3"),
        ([0.5, 0.6], "not testable: 2 runs; it takes 3"),
        ([0.5] * 4, "not testable: all 4 runs have one score, so their spread is unknown"),
    ],
)
def test_what_cannot_be_told(scores: list[float], why: str) -> None:
    found = agreement(scores, published=0.5, published_n=3)
    assert (found.verdict, found.low, found.high, found.why) == ("not testable", None, None, why)


def test_misses_by_chance_by_hand() -> None:
    """Of 20, one on average; none with 0.95²⁰ = 0.3585, one with 20 · 0.05 · 0.95¹⁹ = 0.3774."""
    found = chance_misses(tested=20, missed=2)
    assert (found.tested, found.missed) == (20, 2)
    assert (found.expected, found.p_at_least) == pytest.approx((1.0, 1 - 0.3585 - 0.3774), abs=1e-4)
    assert found.text == (
        "2 of 20 published means are missed; were all reproduced, chance alone would miss 1.0 on average, "
        "and 2 or more with probability 0.26"
    )
    assert chance_misses(tested=0, missed=0).p_at_least == 1.0
    with pytest.raises(ValueError, match="missed: must be between 0 and 3, not 4"):
        chance_misses(tested=3, missed=4)
