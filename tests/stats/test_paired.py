"""Tests of paired differences, their correction, and what they may claim."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lpa3bench.stats import holm, judged, paired_test, tarone, wilcoxon_test
from lpa3bench.stats.paired import SIGN_FLIP, SIGN_FLIP_DRAWN, PairedTest

pytestmark = pytest.mark.filterwarnings("error")

DIFFERENCES = st.lists(st.integers(-50, 50).map(lambda k: k / 100), min_size=1, max_size=9)
PS = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def by_counting(differences: list[float]) -> float:
    """Two-sided p of the mean, from the definition: all 2ⁿ flips, the smaller tail doubled."""
    sums = [
        round(sum(s * d for s, d in zip(signs, differences, strict=True)), 9)
        for signs in product((1, -1), repeat=len(differences))
    ]
    seen = round(sum(differences), 9)
    tails = sum(one >= seen for one in sums), sum(one <= seen for one in sums)
    return min(1.0, 2 * min(tails) / len(sums))


# -------------------------------------------------------------------------------------- what n allows
@pytest.mark.parametrize(("differences", "smallest"), [([0.1, 0.2, 0.0], "0.5"), ([0.1, 0.0, 0.0], "1")])
def test_pairs_that_do_not_differ_are_named(differences: list[float], smallest: str) -> None:
    why = paired_test(differences).why
    assert why == f"not testable: so few of 3 pairs differ that they allow no p below {smallest}"


def test_a_claim_is_refused_at_three_pairs() -> None:
    """All three seeds better, by a lot: of 8 sign flips 2 are as far out, and no three seeds do more."""
    test = paired_test([0.20, 0.21, 0.22])
    assert (test.n, test.p, test.smallest_p) == (3, 0.25, 0.25)
    assert test.verdict == "not testable"
    assert test.why == "not testable: 3 pairs allow no p below 0.25"
    assert test.difference == pytest.approx(0.21)
    assert test.std == pytest.approx(0.01)


@pytest.mark.parametrize(("n", "p"), [(0, 1.0), (1, 1.0), (2, 0.5), (3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_the_smallest_p(n: int, p: float) -> None:
    found = paired_test([0.1] * n)
    assert (found.smallest_p, found.p) == (p, p if n else None)


@pytest.mark.parametrize("n", [2, 7, 16, 30])
@pytest.mark.parametrize("test", [paired_test, wilcoxon_test])
def test_the_smallest_p_is_attained_by_differences_of_one_sign(test: object, n: int) -> None:
    assert callable(test)
    for sign in (1, -1):
        found: PairedTest = test([sign * (k + 1) / 100 for k in range(n)])
        assert found.p == found.smallest_p == 2.0 ** (1 - n)
        assert found.verdict == ("not testable" if n < 6 else "better" if sign > 0 else "worse")


def test_six_pairs_can_claim_and_say_so() -> None:
    assert paired_test([0.01] * 6).why == "better: p = 0.031, 6 pairs"
    mixed = paired_test([0.01] * 5 + [-0.02])  # flips with a sum of 3 or more: 17 of 64
    assert (mixed.verdict, mixed.why) == ("no difference shown", "no difference shown: p = 0.53, 6 pairs")


def test_no_pairs_and_one() -> None:
    nothing = paired_test([])
    assert (nothing.n, nothing.difference, nothing.p, nothing.p_holm) == (0, None, None, None)
    assert nothing.why == "not testable: there are no pairs"
    assert paired_test([0.3]).why == "not testable: 1 pair allows no p below 1"


def test_differences_of_nothing_are_no_difference() -> None:
    for test in (paired_test([0.0] * 8), wilcoxon_test([0.0] * 8), paired_test([0.1 + 0.2 - 0.3] * 8)):
        assert (test.p, test.difference, test.std, test.verdict) == (1.0, 0.0, 0.0, "no difference shown")


# ------------------------------------------------------------------------------------------ the tests
@given(DIFFERENCES)
def test_the_sign_flip_test_counts_flips(differences: list[float]) -> None:
    test = paired_test(differences)
    assert test.p == pytest.approx(by_counting(differences))
    assert test.test == SIGN_FLIP


@given(DIFFERENCES, st.randoms())
def test_b_against_a_is_a_against_b_turned(differences: list[float], draw: random.Random) -> None:
    for test in (paired_test, wilcoxon_test):
        one = test(differences)
        other = test(draw.sample([-difference for difference in differences], len(differences)))
        turned = {"better": "worse", "worse": "better"}
        assert one.p == pytest.approx(other.p)
        assert one.difference == pytest.approx(-(other.difference or 0.0))
        assert one.verdict == turned.get(other.verdict, other.verdict)


def test_flips_that_are_drawn_know_no_side_either() -> None:
    draw = random.Random(1)
    values = [draw.gauss(0.3, 1.0) for _ in range(40)]
    one, other = paired_test(values), paired_test([-value for value in values])
    assert one.p == other.p
    assert (one.low, one.high) == pytest.approx((-(other.high or 0), -(other.low or 0)))
    assert one.test == SIGN_FLIP_DRAWN
    assert one.p == pytest.approx(float(stats.ttest_1samp(values, 0).pvalue), abs=0.02)


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=9, unique=True), st.randoms())
def test_without_ties_wilcoxon_is_scipys(sizes: list[int], draw: random.Random) -> None:
    values = [draw.choice((1, -1)) * size / 10**6 for size in sizes]
    expected = stats.wilcoxon(values, method="exact").pvalue
    assert wilcoxon_test(values).p == pytest.approx(float(expected))


def test_wilcoxon_asks_of_ranks_and_the_mean_of_sizes() -> None:
    """One large loss against seven small gains: by rank 8 against 28, by size it outweighs them."""
    values = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, -0.60]
    assert (wilcoxon_test(values).p or 0) < (paired_test(values).p or 0) == pytest.approx(by_counting(values))


def test_wilcoxons_verdict_has_the_sign_of_the_ranks() -> None:
    """Ranks 1 to 11 are gains, 66, and 12 is a loss that outweighs them all: the mean is -0.036."""
    gains = [k / 1000 for k in range(1, 12)]
    found = wilcoxon_test([*gains, -0.5])
    assert (round(found.p or 1, 3), found.statistic) == (0.034, 54 / 12)
    assert found.difference == pytest.approx((0.066 - 0.5) / 12)
    assert found.why == "better: p = 0.034, 12 pairs, by ranks; the mean difference has the other sign"
    assert wilcoxon_test([*(-gain for gain in gains), 0.5]).verdict == "worse"
    assert judged([found])[0].verdict == "better"
    assert paired_test([*gains, -0.5]).statistic == found.difference


# ------------------------------------------------------------------------------------ Holm's correction
@pytest.mark.parametrize("test", [paired_test, wilcoxon_test])
def test_where_lower_is_better_a_verdict_turns_and_no_number_does(
    test: Callable[..., PairedTest],
) -> None:
    """Losses that fell in all six pairs."""
    fallen = [-0.1, -0.2, -0.3, -0.1, -0.2, -0.3]
    loss, share = test(fallen, higher_is_better=False), test(fallen)
    assert (loss.verdict, share.verdict) == ("better", "worse")
    assert loss.why == "better: p = 0.031, 6 pairs"
    assert test([-x for x in fallen], higher_is_better=False).verdict == "worse"
    numbers = ("difference", "std", "statistic", "p", "smallest_p")
    assert [getattr(loss, name) for name in numbers] == [getattr(share, name) for name in numbers]
    assert judged([loss])[0].verdict == "better", "and the family remembers it"


def test_holm_by_hand() -> None:
    """Sorted, 0.01 to 0.04 times 4, 3, 2, 1 is 0.04, 0.06, 0.06, 0.04; none may be below an earlier."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]) == []


@given(PS)
@settings(max_examples=12)
def test_holm_raises_and_keeps_the_order(ps: list[float]) -> None:
    corrected = holm(ps)
    assert all(after >= before - 1e-12 for before, after in zip(ps, corrected, strict=True))
    assert max(corrected) <= 1
    ordered = [p for _, p in sorted(zip(ps, corrected, strict=True))]
    assert ordered == sorted(ordered)


@given(st.lists(DIFFERENCES, min_size=1, max_size=5), st.randoms())
@settings(max_examples=5)
def test_a_family_knows_no_order(family: list[list[float]], draw: random.Random) -> None:
    tests = [paired_test(differences) for differences in family]
    places = draw.sample(range(len(tests)), len(tests))
    in_order = judged(tests)
    assert judged([tests[place] for place in places]) == tuple(in_order[place] for place in places)


def test_what_six_pairs_claim_alone_four_comparisons_refuse() -> None:
    """With four comparisons of six pairs no p can be below 4 · 2/64 = 0.125, so none is testable."""
    six = paired_test([0.1] * 6)
    family = judged([six] * 4)
    assert {(test.verdict, test.p, test.p_holm) for test in family} == {("not testable", 0.03125, None)}
    assert family[0].why == ("not testable: 6 pairs allow no p below 0.031, too high among 4 comparisons")


def test_a_p_that_correction_takes_back_is_told_with_its_interval() -> None:
    """Eight of nine pairs better, 20/512: alone the interval leaves zero out, and that p stands beside it."""
    one, _ = judged([paired_test([0.1] * 8 + [-0.1]), paired_test([0.1, -0.1] * 5)])
    assert one.low is not None
    assert one.low > 0
    assert one.why == (
        "no difference shown: p = 0.039, 0.078 after Holm's correction over 2 comparisons, 9 pairs"
    )


# ----------------------------------------------------------------------------------------- Tarone's step
def test_what_cannot_be_significant_costs_nobody_anything() -> None:
    """Eight pairs, 2/256, beside twenty comparisons of three: alone in the family, and not multiplied."""
    eight, three = paired_test([0.1] * 8), paired_test([0.1] * 3)
    claim, *rest = judged([eight, *[three] * 20])
    assert (claim.verdict, claim.p_holm) == ("better", 2 / 256)
    assert {(test.verdict, test.p_holm) for test in rest} == {("not testable", None)}


def test_a_family_of_unequal_n() -> None:
    """Six pairs reach 0.031, too much for a family of three; eight each have 2/256, times two."""
    eight, none = paired_test([0.1] * 8), paired_test([])
    first, six, last, left_out = judged([eight, paired_test([-0.1] * 6), eight, none])
    assert [test.verdict for test in (first, six, last)] == ["better", "not testable", "better"]
    assert (first.p_holm, last.p_holm) == (1 / 64, 1 / 64)
    assert left_out == none


def test_tarones_step_by_hand() -> None:
    """K is the smallest number of tests of which no more can reach 0.05/K."""
    assert tarone([0.03, 0.5]) == [0]
    assert tarone([0.03, 0.04]) == [], "either alone could, but not beside the other"
    assert tarone([0.03, 0.02, 0.5]) == [1], "at 0.05 there are two, at 0.025 one"
    assert tarone([0.001] * 10) == [*range(10)]
    assert tarone([]) == []


@given(st.lists(st.integers(1, 14).map(lambda n: 2.0 ** (1 - n)), max_size=30))
def test_each_of_the_testable_could_be_significant_as_the_last_one(smallest: list[float]) -> None:
    family = tarone(smallest)
    assert all(smallest[place] * len(family) <= 0.05 for place in family)


# ------------------------------------------------------------------------------------ interval and verdict
@given(st.lists(st.integers(-6, 9), min_size=6, max_size=12))
@settings(max_examples=60)
def test_the_interval_never_contradicts_the_test(counts: list[int]) -> None:
    test = paired_test([Fraction(count, 717) for count in counts])
    assert test.low is not None
    assert test.high is not None
    assert (test.low > 0 or test.high < 0) == ((test.p or 0) <= 0.05)


def test_pairs_that_do_not_differ_show_no_difference() -> None:
    """Twelve pairs could show one, and only three of them differ: no p below 0.25."""
    test = paired_test([Fraction(1, 717)] * 3 + [Fraction(0)] * 9)
    assert (test.verdict, test.p, test.smallest_p, test.p_holm) == ("no difference shown", 0.25, 0.25, 1.0)


def test_p_is_never_zero() -> None:
    for n in (12, 32, 60):
        for test in (paired_test, wilcoxon_test):
            found = test([0.1 + k for k in range(n)])
            assert 0 < (found.p or 0) <= (found.p_holm or 0)
