"""Scores as the fractions of counts that they are."""

from __future__ import annotations

import random
from fractions import Fraction
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.small_records import NLL, bits, small_record

from lpa3bench.stats import Pair, paired_runs, paired_test
from lpa3bench.stats.exact import difference, mean_ranks, score_of, share_of


@pytest.mark.parametrize("images", [7, 717, 1000, 8216, 10_000])
def test_a_share_of_images_is_its_fraction(images: int) -> None:
    draw = random.Random(images)
    for right in (0, 1, images, *(draw.randint(0, images) for _ in range(50))):
        assert share_of(right / images, images) == Fraction(right, images)
        assert isinstance(share_of(right / images, images), Fraction)


def test_what_is_no_share_stays_a_float() -> None:
    for number in (0.123456789, 2**0.5, float("nan"), float("inf")):
        assert isinstance(share_of(number, 717), float)


def test_means_and_medians_over_epochs_are_exact_too() -> None:
    record = small_record(bits(7))  # ten images
    draw = random.Random(0)
    for epochs, of in ((10, fmean), (20, fmean), (20, median)):
        shares = [draw.randint(0, 10) / 10 for _ in range(epochs)]
        tenths = [round(10 * share) for share in shares]
        expected = Fraction(median(tenths)) / 10 if of is median else Fraction(sum(tenths), 10 * epochs)
        assert score_of(record, "accuracy", of(shares)) == expected
    assert isinstance(score_of(record, "accuracy", 0.7), Fraction)


def test_a_metric_that_counts_nothing_is_a_float() -> None:
    record = small_record(bits(7), metric="nll", kind=NLL, last=0.5)
    assert isinstance(score_of(record, "nll", 0.5), float)


def test_differences() -> None:
    assert difference(Fraction(3, 7), Fraction(1, 7)) == Fraction(2, 7)
    assert difference(0.1 + 0.2, 0.3) == 0.0
    assert difference(0.5, 0.25) == 0.25


def test_ranks_of_what_is_equal_but_for_rounding_are_shared() -> None:
    assert mean_ranks([0.3, 0.1, 0.1 + 0.2, 0.2]) == [3.5, 1, 3.5, 2]
    assert mean_ranks([]) == []


@given(st.lists(st.integers(-5, 5), max_size=12))
def test_ranks_are_scipys(values: list[int]) -> None:
    assert mean_ranks([Fraction(value) for value in values]) == pytest.approx([*stats.rankdata(values)])


def test_pairs_of_records_are_tested_on_counts() -> None:
    """Of 717 images: the sums of sign patterns tie as integers, and the exact p is 252/4096."""
    counts = [1, 1, 6, 2, -1, 7, -3, -1, 2, 4, 2, 2]
    ours, theirs = (
        [
            small_record(bits(600 + seed + (count if side else 0), of=717), seed=seed)
            for seed, count in enumerate(counts)
        ]
        for side in (True, False)
    )
    differences = paired_runs(ours, theirs, "accuracy.last").differences("accuracy.last")
    assert differences == [Fraction(count, 717) for count in counts]
    found = paired_test(differences)
    assert (found.p, found.verdict) == (252 / 4096, "no difference shown")
    assert Pair(method=ours[0], baseline=theirs[0]).difference("accuracy.last") == Fraction(1, 717)
