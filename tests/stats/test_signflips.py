"""The sign-flip test against counting every sign pattern, on integers; and the interval against the test."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from itertools import product
from math import inf

import pytest

from lpa3bench.stats import signflips
from lpa3bench.stats.signflips import sign_flip_interval, sign_flip_p, smallest_p

ISSUED = [1, 1, 6, 2, -1, 7, -3, -1, 2, 4, 2, 2]


def counted(differences: list[int]) -> float:
    """p by the definition: the share of all sign patterns whose sum is as far from zero as the one seen."""
    seen = abs(sum(differences))
    patterns = product((1, -1), repeat=len(differences))
    far = sum(abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= seen for signs in patterns)
    return far / 2 ** len(differences)


def drawn(seed: int, *, longest: int = 12) -> list[int]:
    """Small differences of counts, with ties and zeros as such differences have them."""
    draw = random.Random(seed)
    return [draw.randint(-5, 7) for _ in range(draw.randint(1, longest))]


def test_by_hand() -> None:
    assert sign_flip_p([1, 1, 1]) == 0.25
    assert sign_flip_p([2, -1, -1]) == 1.0
    assert sign_flip_p([3, 1, -1]) == 0.75  # of ±3 ±1 ±1: all but ±(3 − 1 − 1)
    assert sign_flip_p([0, 0]) == 1.0
    assert sign_flip_p(ISSUED) == 252 / 4096 == pytest.approx(0.0615, abs=5e-5)


@pytest.mark.parametrize("images", [717, 1000, 8216, 10000])
@pytest.mark.parametrize("seed", range(25))
def test_shares_of_images_have_the_p_of_their_counts(images: int, seed: int) -> None:
    differences = drawn(seed)
    exact = counted(differences)
    assert sign_flip_p(differences) == exact
    right = [random.Random(100 + seed).randint(10, images - 10) for _ in differences]
    shares = [(k + d) / images - k / images for k, d in zip(right, differences, strict=True)]
    assert sign_flip_p(shares) == exact
    assert sign_flip_p([Fraction(d, images) for d in differences]) == exact


@pytest.mark.parametrize("seed", range(40))
def test_interval_and_p_agree(seed: int) -> None:
    differences = drawn(seed)
    p, interval = sign_flip_p(differences), sign_flip_interval(differences)
    if len(differences) < 6:
        assert interval is None
        return
    assert interval is not None
    low, high = interval
    assert (p <= 0.05) == (low > 0 or high < 0)
    assert low <= sum(differences) / len(differences) <= high


@pytest.mark.parametrize("seed", range(15))
def test_the_interval_holds_the_means_that_are_not_rejected(seed: int) -> None:
    differences = [float(d) + random.Random(seed).random() for d in drawn(seed, longest=10)]
    if (interval := sign_flip_interval(differences)) is None:
        return
    low, high = interval
    for mean, inside in ((low - 1e-6, False), (low + 1e-6, True), (high - 1e-6, True), (high + 1e-6, False)):
        if low + 2e-6 < high or not inside:
            assert (sign_flip_p([d - mean for d in differences]) > 0.05) == inside


def test_the_order_and_the_side_have_no_say() -> None:
    p, (low, high) = sign_flip_p(ISSUED), sign_flip_interval(ISSUED) or (inf, inf)
    assert sign_flip_p(ISSUED[::-1]) == sign_flip_p([-d for d in ISSUED]) == p
    assert sign_flip_interval([-d for d in ISSUED]) == pytest.approx((-high, -low), abs=1e-9)


def test_the_smallest_p_is_reached_by_equal_signs() -> None:
    for differences in ([1, 2, 3], [1, 0, 2, 0], [5] * 12):
        assert sign_flip_p([abs(d) for d in differences]) == smallest_p(differences)
    assert smallest_p([0, 0]) == smallest_p([]) == 1.0


@pytest.mark.parametrize("n", [6, 12, 30])
def test_the_interval_covers_the_true_mean(n: int) -> None:
    """95 % of intervals or more, for differences of counts that are symmetric about their mean; of three
    pairs there is none."""
    assert sign_flip_interval([2, 3, 4]) is None
    draw = random.Random(n)
    covered, trials = 0, 400 if n < 30 else 60
    for _ in range(trials):
        differences = [2 + draw.randint(-9, 9) for _ in range(n)]
        low, high = sign_flip_interval(differences) or (-inf, inf)
        covered += low <= 2 <= high
    assert covered / trials >= 0.95 - 2.5 * (0.95 * 0.05 / trials) ** 0.5


def test_more_pairs_than_can_be_counted_are_drawn_and_never_give_zero() -> None:
    differences = [1] * 50
    assert 0 < sign_flip_p(differences) == smallest_p(differences) < 1e-4
    low, high = sign_flip_interval(differences) or (inf, inf)
    assert low == high == 1


@pytest.mark.parametrize("seed", range(30))
def test_of_drawn_patterns_interval_and_p_agree(seed: int) -> None:
    draw = random.Random(seed)
    differences = [draw.randint(-6, 8) for _ in range(34)]
    p, (low, high) = sign_flip_p(differences), sign_flip_interval(differences) or (inf, inf)
    assert (p <= 0.05) == (low > 0 or high < 0)


@pytest.mark.parametrize("n", [6, 9, 14, 17])
@pytest.mark.parametrize("kind", [int, float])
def test_ends_are_found_the_same_in_every_way(n: int, kind: type) -> None:
    """By listing subsets, by counting them by size and sum, and by bisection."""
    draw = random.Random(n)
    for values in ([kind(draw.randint(-9, 12)) for _ in range(n)] for _ in range(5)):
        for k in (1, 2, 2**n // 40):
            listed = signflips._kth_listed_mean(values, k)
            assert signflips._kth_located_mean(values, k) == pytest.approx(listed, abs=1e-11)
            assert signflips._kth_counted_mean([int(value) for value in values], k) == listed


def test_what_is_remembered_is_told_by_kind() -> None:
    """1 and 1.0 are equal as keys; sums of floats are compared with a tolerance."""
    whole, parts = [3, 1, -2, 5, 4, 2, 1], [3.0, 1.0, -2.0, 5.0, 4.0, 2.0, 1.0 + 1e-12]
    assert sign_flip_p([float(value) for value in whole]) == sign_flip_p(whole) == sign_flip_p(parts)
    assert sign_flip_interval([value / 7 for value in whole]) == pytest.approx(
        sign_flip_interval([Fraction(value, 7) for value in whole]), abs=1e-11
    )


@pytest.mark.parametrize("unit", [1, 10**7])
def test_drawn_sums_of_integers_are_exact(unit: int) -> None:
    values = [unit * (k % 9 - 3) for k in range(40)]
    chosen = signflips._drawn_choices(40).astype(int)
    assert signflips._drawn_sums(values).tolist() == (chosen @ values).tolist()


def test_many_pairs_take_no_time_worth_mentioning() -> None:
    """Counted up to 32; the patterns of the halves are 2¹⁶ each."""
    differences = [Fraction(k % 7 - 2, 717) for k in range(32)]
    assert sign_flip_p(differences) == pytest.approx(counted_by_sums([k % 7 - 2 for k in range(32)]))


def counted_by_sums(differences: list[int]) -> float:
    """The same as `counted`, sum by sum instead of pattern by pattern."""
    ways = Counter({0: 1})
    for value in differences:
        ways = (
            Counter({s: ways[s - value] + ways[s + value] for w in ways for s in (w - value, w + value)})
            if value
            else Counter({s: 2 * k for s, k in ways.items()})
        )
    return sum(k for s, k in ways.items() if abs(s) >= abs(sum(differences))) / 2 ** len(differences)
