"""A mean with its spread, and a confidence interval where there are enough values for one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean

from lpa3bench.records.moments import exact_stdev

CONFIDENCE = 0.95
FEWEST_FOR_INTERVAL = 6
"""With fewer scores of counts, all may happen to be equal, and an interval of no width covers nothing."""
DECIMALS = 12
"""What is equal but for rounding is equal, and other processors give the same bytes."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Of some values."""

    n: int
    mean: float | None
    """None of no values."""
    std: float | None
    """Sample standard deviation (ddof = 1); None for fewer than two values."""
    low: float | None
    high: float | None
    """95 % confidence interval of the mean (Student's t); None for fewer than `FEWEST_FOR_INTERVAL`."""


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and interval; the order of the values has no say."""
    low, high = student_interval(values) or (None, None)
    return Summary(
        n=len(values),
        mean=fmean(values) if values else None,
        std=exact_stdev(values) if len(values) > 1 else None,
        low=low,
        high=high,
    )


def student_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % confidence interval of the mean, mean ± t·s/√n with n − 1 degrees of freedom.

    It covers the mean of normal values in 95 % at every n, and that of shares of counted images likewise but
    for rounding (a test simulates it); a bootstrap interval does so in 85 % at n = 5 and 93 % at 20. None for
    fewer than `FEWEST_FOR_INTERVAL` values; that of equal values has no width.
    """
    n = len(values)
    if n < FEWEST_FOR_INTERVAL:
        return None
    half = student_quantile(n - 1) * exact_stdev(values) / math.sqrt(n)
    return round(fmean(values) - half, DECIMALS), round(fmean(values) + half, DECIMALS)


@cache
def student_quantile(freedom: int) -> float:
    """Within so many standard errors of the mean lie 95 %, with so many degrees of freedom."""
    from scipy import special  # scipy.stats takes three times as long to import

    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))
