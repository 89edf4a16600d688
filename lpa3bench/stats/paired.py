"""Tests of paired differences: the exact sign-flip test, over seeds; and Wilcoxon's, over data sets.

Both flip the signs of differences, as if in each pair it were a toss which method is which. So with n pairs
no two-sided p can be below 2/2ⁿ: 0.25 at three pairs, 0.0625 at five, 0.031 at six.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import fmean
from typing import Literal

from lpa3bench.records.moments import exact_stdev
from lpa3bench.stats.exact import Exact, mean_ranks
from lpa3bench.stats.signflips import (
    DRAWN_PATTERNS,
    EXACT_UP_TO,
    sign_flip_interval,
    sign_flip_p,
    smallest_p,
)

ALPHA = 0.05
_NOISE = 1e-13
"""A smaller difference of scores is nothing but rounding."""
SIGN_FLIP = "exact sign-flip permutation test of the mean difference"
SIGN_FLIP_DRAWN = f"sign-flip permutation test of the mean difference, {DRAWN_PATTERNS} drawn flips"
WILCOXON = "exact Wilcoxon signed-rank test"
WILCOXON_DRAWN = f"Wilcoxon signed-rank test, {DRAWN_PATTERNS} drawn flips"

TestVerdict = Literal["better", "worse", "no difference shown", "not testable"]


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Of the differences method − baseline."""

    n: int
    """Pairs."""
    difference: float | None
    """Their mean; None without pairs."""
    std: float | None
    """Sample standard deviation of the differences (ddof = 1)."""
    low: float | None
    high: float | None
    """Every mean difference that the sign-flip test does not reject at 5 %, uncorrected: a 95 % confidence
    interval, and zero lies in it just where p is above 0.05. None where no p can be that small, and in
    Wilcoxon's test, which asks of ranks."""
    statistic: float | None
    """What the test asks of, whose sign the verdict has: the mean difference, or that of the signed ranks,
    which no single large difference can turn. None without pairs."""
    p: float | None
    """Two-sided, uncorrected; None without pairs."""
    p_holm: float | None
    """After Holm's correction over the tests that were judged together; `p` where it was judged alone; None
    where it is not testable."""
    smallest_p: float
    """The smallest p that differences of these sizes allow."""
    verdict: TestVerdict
    why: str
    """The verdict in a sentence."""
    test: str
    higher_is_better: bool = True
    """Which sign of the statistic is the better one."""


def paired_test(differences: Sequence[Exact], *, higher_is_better: bool = True) -> PairedTest:
    """The sign-flip permutation test of a mean difference, for pairs with one seed.

    It asks of the number that boards show, the mean difference, is exact for every n, with ties and with
    zeros, and supposes no distribution, only that under the null hypothesis either sign of a difference is as
    likely. (Wilcoxon's test asks of ranks, drops zeros, and is exact only without ties.)
    """
    test = SIGN_FLIP if len(differences) <= EXACT_UP_TO else SIGN_FLIP_DRAWN
    differences = _without_noise(differences)
    low, high = sign_flip_interval(differences) or (None, None)
    return replace(
        _tested(differences, differences, test, higher_is_better=higher_is_better), low=low, high=high
    )


def wilcoxon_test(differences: Sequence[Exact], *, higher_is_better: bool = True) -> PairedTest:
    """Wilcoxon's signed-rank test, for pairs in one data set or setting each.

    There differences are of different scales, so it asks of their ranks. Zeros are ranked, then dropped
    (Pratt, 1959). It is exact with ties too: the signs of the ranks are flipped.
    """
    test = WILCOXON if len(differences) <= EXACT_UP_TO else WILCOXON_DRAWN
    differences = _without_noise(differences)
    return _tested(differences, _signed_ranks(differences), test, higher_is_better=higher_is_better)


def judged(tests: Sequence[PairedTest]) -> tuple[PairedTest, ...]:
    """The tests judged together: p after Holm's correction over all that are testable, and the verdict.

    Tarone's step (1990) comes first: with the smallest K for which no more than K tests could come down to
    0.05/K at all, the others are left out. Which p a test could reach depends on the sizes of its differences
    and not on their signs, so leaving out what cannot reach it does not favour what is left. Left out, a test
    is "not testable", or, where it is its own pairs that do not differ, "no difference shown".
    """
    known = [place for place, test in enumerate(tests) if test.p is not None]
    family = [known[place] for place in tarone([tests[place].smallest_p for place in known])]
    corrected = dict(zip(family, holm([p for k in family if (p := tests[k].p) is not None]), strict=True))
    result = list(tests)
    for place in known:
        result[place] = _verdict(tests[place], corrected.get(place), len(family), len(known))
    return tuple(result)


def tarone(smallest: Sequence[float]) -> list[int]:
    """Which of these tests can be significant beside each other, by the smallest p that each can reach.

    Source: Tarone, "A modified Bonferroni method for discrete data", Biometrics, 1990.
    """
    for family in range(1, len(smallest) + 1):
        able = [place for place, p in enumerate(smallest) if p <= ALPHA / family]
        if len(able) <= family:
            return able
    return []


def holm(ps: Sequence[float]) -> list[float]:
    """p values after Holm's step-down correction (1979) over all of them, in the order given.

    The smallest of m is multiplied by m, the next by m − 1, and so on; none falls below an earlier one.
    """
    corrected = [0.0] * len(ps)
    reached = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        reached = max(reached, min(1.0, ps[place] * (len(ps) - rank)))
        corrected[place] = reached
    return corrected


def _tested(
    differences: Sequence[Exact], values: Sequence[Exact], test: str, *, higher_is_better: bool
) -> PairedTest:
    if not differences:
        return PairedTest(
            n=0,
            **dict.fromkeys(("difference", "std", "low", "high", "statistic", "p", "p_holm")),
            smallest_p=1.0,
            verdict="not testable",
            why="not testable: there are no pairs",
            test=test,
            higher_is_better=higher_is_better,
        )
    alone = PairedTest(
        n=len(differences),
        difference=_mean(differences),
        std=exact_stdev(map(float, differences)) if len(differences) > 1 else None,
        low=None,
        high=None,
        statistic=_mean(values),
        p=sign_flip_p(values),
        p_holm=None,
        smallest_p=smallest_p(values),
        verdict="not testable",
        why="",
        test=test,
        higher_is_better=higher_is_better,
    )
    return judged([alone])[0]


def _mean(values: Sequence[Exact]) -> float:
    """Exact until it is rounded once, so that what cancels out is zero."""
    exact = [value for value in values if isinstance(value, Fraction)]
    return float(sum(exact) / len(exact)) if len(exact) == len(values) else fmean(map(float, values))


def _verdict(test: PairedTest, p_holm: float | None, family: int, known: int) -> PairedTest:
    assert test.difference is not None
    assert test.statistic is not None
    pairs, allow = ("1 pair", "allows") if test.n == 1 else (f"{test.n} pairs", "allow")
    if p_holm is None and test.smallest_p > ALPHA >= smallest_p([1] * test.n):
        why = f"no difference shown: so few of {pairs} differ that no p could be below {test.smallest_p:.2g}"
        return replace(test, p_holm=1.0, verdict="no difference shown", why=why)
    if p_holm is None:
        among = "" if known == 1 else f", too high among {known} comparisons"
        tied = test.smallest_p > smallest_p([1] * test.n)
        some = f"so few of {pairs} differ that they allow" if tied else f"{pairs} {allow}"
        why = f"not testable: {some} no p below {test.smallest_p:.2g}{among}"
        return replace(test, p_holm=None, verdict="not testable", why=why)
    verdict: TestVerdict
    over = "" if family == 1 else f" after Holm's correction over {family} comparisons"
    if p_holm <= ALPHA:
        verdict = "better" if (test.statistic > 0) == test.higher_is_better else "worse"
        turned = ", by ranks; the mean difference has the other sign" if _turned(test) else ""
        why = f"{verdict}: p = {p_holm:.2g}{over}, {pairs}{turned}"
    else:
        verdict = "no difference shown"
        alone = f"{test.p:.2g}, " if test.p is not None and test.p <= ALPHA else ""
        why = f"no difference shown: p = {alone}{p_holm:.2g}{over}, {pairs}"
    return replace(test, p_holm=p_holm, verdict=verdict, why=why)


def _without_noise(differences: Sequence[Exact]) -> list[Exact]:
    return [value if abs(float(value)) > _NOISE else Fraction(0) for value in differences]


def _turned(test: PairedTest) -> bool:
    return (test.difference or 0.0) * (test.statistic or 0.0) < 0


def _signed_ranks(differences: Sequence[Exact]) -> list[Exact]:
    """Ranks of the sizes with the signs of the differences; means of ranks are halves, and exact."""
    sizes: list[Exact] = [value if value > 0 else -value for value in differences]
    signs = [int(value > 0) - int(value < 0) for value in differences]
    return [rank * sign for rank, sign in zip(mean_ranks(sizes), signs, strict=True)]
