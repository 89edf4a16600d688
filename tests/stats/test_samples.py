"""Tests on the images of the test set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_records import small_record

from lpa3bench.stats import McNemar, Pair, mcnemar, per_sample, pooled_mcnemar

pytestmark = pytest.mark.filterwarnings("error")


def pair(method: str, baseline: str, *, seed: int = 0, data: str = "d") -> Pair:
    """Two runs from which images are right: "1101"."""
    sides = [[one == "1" for one in text] for text in (method, baseline)]
    ours, theirs = (small_record(side, seed=seed, data=data) for side in sides)
    return Pair(method=ours, baseline=theirs)


def test_mcnemar_by_hand() -> None:
    """Five images tell them apart, 4 to 1: two-sided 2 · (1 + 5)/32."""
    found = mcnemar(pair("1111011100", "0000111100"))
    assert (found.only_method, found.only_baseline) == (4, 1)
    assert found.p == pytest.approx(0.375)


def test_runs_with_the_same_images_right_are_not_told_apart() -> None:
    assert mcnemar(pair("1100", "1100")) == McNemar(only_method=0, only_baseline=0, p=1.0)
    found = per_sample([pair("1100", "1100")])
    assert found
    assert (found.difference, found.low, found.high) == (0.0, None, None)


def test_an_image_has_one_vote_however_many_seeds_there_are() -> None:
    """Three seeds that are right on the same six images are no eighteen images."""
    one = "1111110000", "0000000000"
    seeds = [pair(*one, seed=seed) for seed in range(3)]
    found = per_sample(seeds)
    assert found
    assert found.pooled == pooled_mcnemar(seeds) == mcnemar(seeds[0])
    assert found.pooled == McNemar(only_method=6, only_baseline=0, p=pytest.approx(2 / 64))
    assert [seed for seed, _ in found.seeds] == [0, 1, 2]
    assert (found.images, found.difference) == (10, pytest.approx(0.6))


def test_seeds_that_disagree_about_an_image_cancel() -> None:
    """First image: +1, −1; second: +1, +1; third: 0, −1."""
    found = per_sample([pair("110", "000", seed=1), pair("010", "101", seed=2)])
    assert found
    assert (found.pooled.only_method, found.pooled.only_baseline, found.pooled.p) == (1, 1, 1.0)
    assert found.difference == pytest.approx((0 + 2 - 1) / 2 / 3)


def test_the_interval_is_over_images() -> None:
    """300 images, 60 won and 30 lost: mean 0.1, standard error √(0.3 − 0.01)/√300 = 0.0311."""
    found = per_sample([pair("1" * 60 + "0" * 240, "0" * 60 + "1" * 30 + "0" * 210)])
    assert found
    assert (found.low, found.high) == pytest.approx((0.1 - 1.96 * 0.0311, 0.1 + 1.96 * 0.0311), abs=0.006)


@pytest.mark.parametrize(("apart", "given"), [(9, False), (10, True)])
def test_few_images_that_tell_two_apart_have_no_interval(apart: int, given: bool) -> None:
    found = per_sample([pair("1" * apart + "0" * 20, "0" * (apart + 20))])
    assert found
    assert [found.low is not None, found.high is not None] == [given, given]
    everything = per_sample([pair("1" * 10, "0" * 10)])
    assert everything
    assert (everything.low, everything.high) == (1.0, 1.0)


def test_other_images_are_not_pooled() -> None:
    assert per_sample([]) is None
    assert pooled_mcnemar([]) is None
    other = [pair("10", "01"), pair("10", "01", seed=1, data="e")]
    assert (per_sample(other), pooled_mcnemar(other)) == (None, None)
    assert pooled_mcnemar([pair("10", "01"), pair("101", "011", seed=1)]) is None


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_b_against_a_is_a_against_b_turned(images: list[tuple[bool, bool]]) -> None:
    ours, theirs = (small_record(side) for side in zip(*images, strict=True))
    one, other = mcnemar(Pair(method=ours, baseline=theirs)), mcnemar(Pair(method=theirs, baseline=ours))
    assert (one.only_method, one.only_baseline, one.p) == (other.only_baseline, other.only_method, other.p)
    assert one.only_method - one.only_baseline == sum(ours.correct) - sum(theirs.correct)
