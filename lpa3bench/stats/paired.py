"""Tests of paired differences: the exact sign-flip test, over seeds; and Wilcoxon's, over data sets.

Both flip the signs of differences, as if in each pair it were a toss which method is which. So with n pairs
no two-sided p can be below 2/2ⁿ: 0.25 at three pairs, 0.0625 at five, 0.031 at six.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from lpa3bench.stats.means import DECIMALS, canonical, summarise

ALPHA = 0.05
_EXACT_UP_TO = 16
"""Pairs of which all sign flips are counted; of more, as many as 16 pairs have are drawn, seed fixed."""
FLIPS = 2**_EXACT_UP_TO
SIGN_FLIP = "exact sign-flip permutation test of the mean difference"
SIGN_FLIP_DRAWN = f"sign-flip permutation test of the mean difference, {FLIPS} drawn flips"
WILCOXON = "exact Wilcoxon signed-rank test"
WILCOXON_DRAWN = f"Wilcoxon signed-rank test, {FLIPS} drawn flips"

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
    """95 % bootstrap confidence interval of the mean difference; see `means.bootstrap_interval`."""
    statistic: float | None
    """What the test asks of, whose sign the verdict has: the mean difference, or that of the signed ranks,
    which no single large difference can turn. None without pairs."""
    p: float | None
    """Two-sided, uncorrected; None without pairs."""
    p_holm: float | None
    """After Holm's correction over all tests that were judged together; `p` where it was judged alone."""
    smallest_p: float
    """The smallest p that n pairs allow."""
    verdict: TestVerdict
    why: str
    """The verdict in a sentence."""
    test: str
    higher_is_better: bool = True
    """Which sign of the statistic is the better one."""


def smallest_p_of(n: int) -> float:
    """The smallest two-sided p that flipping the signs of n differences can give: 2/2ⁿ.

    With more than `EXACT_UP_TO` pairs it is what the drawn flips and the one seen can resolve, 2/(flips + 1).
    """
    return min(1.0, 2.0 ** (1 - n) if n <= _EXACT_UP_TO else 2 / (FLIPS + 1))


def paired_test(differences: Sequence[float], *, higher_is_better: bool = True) -> PairedTest:
    """The sign-flip permutation test of a mean difference, for pairs with one seed.

    It asks of the number that boards show, the mean difference, is exact for every n, with ties and with
    zeros, and supposes no distribution, only that under the null hypothesis either sign of a difference is as
    likely. (Wilcoxon's test asks of ranks, drops zeros, and is exact only without ties.)
    """
    exact = len(differences) <= _EXACT_UP_TO
    test = SIGN_FLIP if exact else SIGN_FLIP_DRAWN
    return _tested(differences, differences, test, higher_is_better=higher_is_better)


def wilcoxon_test(differences: Sequence[float], *, higher_is_better: bool = True) -> PairedTest:
    """Wilcoxon's signed-rank test, for pairs in one data set or setting each.

    There differences are of different scales, so it asks of their ranks. Zeros are ranked, then dropped
    (Pratt, 1959). It is exact with ties too: the signs of the ranks are flipped.
    """
    exact = len(differences) <= _EXACT_UP_TO
    test = WILCOXON if exact else WILCOXON_DRAWN
    return _tested(differences, _signed_ranks(differences), test, higher_is_better=higher_is_better)


def judged(tests: Sequence[PairedTest]) -> tuple[PairedTest, ...]:
    """The tests judged together: p after Holm's correction over all of them, and the verdict that follows.

    "Not testable" are those whose p could not come down to 0.05 after the correction even if every difference
    of the family had one sign. Tests without a p (no pairs) are no part of the family.
    """
    family = [place for place, test in enumerate(tests) if test.p is not None]
    corrected = holm([p for test in tests if (p := test.p) is not None])
    floors = holm([tests[place].smallest_p for place in family])
    result = list(tests)
    for place, p_holm, floor in zip(family, corrected, floors, strict=True):
        result[place] = _verdict(tests[place], p_holm, floor, len(family))
    return tuple(result)


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
    differences: Sequence[float], values: Sequence[float], test: str, *, higher_is_better: bool
) -> PairedTest:
    of = summarise([round(value, DECIMALS) for value in differences])
    alone = PairedTest(
        n=of.n,
        difference=of.mean,
        std=of.std,
        low=of.low,
        high=of.high,
        statistic=fmean(round(value, DECIMALS) for value in values) if values else None,
        p=_sign_flip_p(values) if values else None,
        p_holm=None,
        smallest_p=smallest_p_of(of.n),
        verdict="not testable",
        why="not testable: there are no pairs",
        test=test,
        higher_is_better=higher_is_better,
    )
    return alone if alone.p is None else _verdict(alone, alone.p, alone.smallest_p, 1)


def _verdict(test: PairedTest, p_holm: float, floor: float, family: int) -> PairedTest:
    assert test.difference is not None
    assert test.statistic is not None
    over = "" if family == 1 else f" after Holm's correction over {family} comparisons"
    pairs, allow = ("1 pair", "allows") if test.n == 1 else (f"{test.n} pairs", "allow")
    if floor > ALPHA:
        verdict: TestVerdict = "not testable"
        why = f"not testable: {pairs} {allow} no p below {floor:.2g}{over}"
    elif p_holm <= ALPHA:
        verdict = "better" if (test.statistic > 0) == test.higher_is_better else "worse"
        turned = ", by ranks; the mean difference has the other sign" if _turned(test) else ""
        why = f"{verdict}: p = {p_holm:.2g}{over}, {pairs}{turned}"
    else:
        verdict = "no difference shown"
        why = f"no difference shown: p = {p_holm:.2g}{over}, {pairs}"
    return replace(test, p_holm=p_holm, verdict=verdict, why=why)


def _turned(test: PairedTest) -> bool:
    return (test.difference or 0.0) * (test.statistic or 0.0) < 0


def _sign_flip_p(values: Sequence[float]) -> float:
    """Two-sided p of the mean of the values when the sign of each is flipped."""
    _, ordered = canonical(values)
    if not any(ordered) or len(ordered) == 1:  # every flip is as good; scipy wants two values
        return 1.0
    import numpy as np
    from scipy import stats

    found = stats.permutation_test(
        (np.array(ordered),),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=FLIPS,
        rng=0,
    )
    return float(found.pvalue)


def _signed_ranks(differences: Sequence[float]) -> list[float]:
    from scipy import stats

    rounded = [round(value, DECIMALS) for value in differences]
    ranks = stats.rankdata([abs(value) for value in rounded]) if rounded else []
    return [float(rank) * ((value > 0) - (value < 0)) for rank, value in zip(ranks, rounded, strict=True)]
