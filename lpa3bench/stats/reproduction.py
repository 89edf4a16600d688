"""Whether measured runs agree with a published mean, and how many disagreements chance alone would give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from lpa3bench.records.moments import exact_stdev
from lpa3bench.runtime.counting import counted
from lpa3bench.stats.means import CONFIDENCE, DECIMALS, student_quantile

FEWEST_RUNS = 3
"""With two, Student's quantile is 12.7 and anything would be reproduced."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The verdict on one published mean."""

    verdict: Literal["reproduced", "not reproduced", "not testable"]
    low: float | None
    high: float | None
    """The 95 % prediction interval for a published mean of that many runs; None where it is not testable."""
    why: str


@dataclass(frozen=True, kw_only=True)
class ChanceMisses:
    """Published means outside of their 95 % prediction intervals."""

    tested: int
    missed: int
    expected: float
    """So many would be missed by chance if all were reproduced."""
    p_at_least: float
    """Probability of at least as many by chance, were the cells independent."""
    text: str


def agreement(scores: Sequence[float], *, published: float, published_n: int | None) -> Agreement:
    """Whether a published mean lies in the 95 % prediction interval mean ± t·s·√(1/n + 1/m).

    The spread s is that of our n runs, with n − 1 degrees of freedom. The published one is not pooled with
    it: papers seldom say whether theirs is a standard deviation or error, of which ddof, over runs or epochs.

    Args:
        scores: of our runs, shares in [0, 1]; `published` as well.
        published_n: m, the runs that the published mean is of; None where it is not told: taken as one, the
            widest interval.
    """
    n, m = len(scores), published_n or 1
    if n < FEWEST_RUNS:
        return _not_testable(f"{counted(n, 'run')}; it takes {FEWEST_RUNS}")
    spread = exact_stdev(scores)
    if spread == 0:
        return _not_testable(f"all {n} runs have one score, so their spread is unknown")
    half = student_quantile(n - 1) * spread * math.sqrt(1 / n + 1 / m)
    low, high = (round(fmean(scores) + side, DECIMALS) for side in (-half, half))
    inside = low <= published <= high
    theirs = f"{m}" if published_n else "an unstated number of runs, taken as 1"
    return Agreement(
        verdict="reproduced" if inside else "not reproduced",
        low=low,
        high=high,
        why=(
            f"{100 * published:.2f} % lies {'in' if inside else 'outside of'} the 95 % prediction interval "
            f"{100 * low:.2f} to {100 * high:.2f} % (n = {n} here, {theirs} there)"
        ),
    )


def chance_misses(*, tested: int, missed: int) -> ChanceMisses:
    """How `missed` of `tested` published means compares with what chance would miss.

    Each is tested at 5 %, so of k reproduced ones k/20 are missed on average. Cells that share runs or data
    are not independent, and the probability is then a rough one.
    """
    if not 0 <= missed <= tested:
        raise ValueError(f"missed: must be between 0 and {tested}, not {missed}")
    from scipy import special

    rate = 1 - CONFIDENCE
    expected = rate * tested
    p = float(special.bdtrc(missed - 1, tested, rate)) if missed else 1.0
    return ChanceMisses(
        tested=tested,
        missed=missed,
        expected=expected,
        p_at_least=p,
        text=(
            f"{missed} of {tested} published means are missed; were all reproduced, chance alone would miss "
            f"{expected:.1f} on average, and {missed} or more with probability {p:.2g}"
        ),
    )


def _not_testable(reason: str) -> Agreement:
    return Agreement(verdict="not testable", low=None, high=None, why=f"not testable: {reason}")
