"""A mean with its spread, and a confidence interval where there are enough values for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

CONFIDENCE = 0.95
FEWEST_FOR_INTERVAL = 10
"""Below it a bootstrap interval of the mean is much too narrow: of 95 % it covers 85 at 5 normal values,
89 at 10 and 94 at 30, for it has the normal distribution's quantiles where Student's are wider."""
MEAN_RESAMPLES = 9999
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
    """95 % bootstrap confidence interval of the mean (BCa); None for fewer than `FEWEST_FOR_INTERVAL`."""


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and interval; the order of the values has no say."""
    low, high = bootstrap_interval(values) or (None, None)
    return Summary(
        n=len(values),
        mean=fmean(values) if values else None,
        std=stdev(values) if len(values) > 1 else None,
        low=low,
        high=high,
    )


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % bootstrap confidence interval of the mean, bias-corrected and accelerated (Efron, 1987).

    None for fewer than `FEWEST_FOR_INTERVAL` values. Drawn from a fixed seed, so it is always the same; that
    of equal values has no width.
    """
    if len(values) < FEWEST_FOR_INTERVAL:
        return None
    sign, ordered = canonical(values)
    if ordered[0] == ordered[-1]:
        return sign * ordered[0], sign * ordered[0]
    import numpy as np
    from scipy import stats

    found = stats.bootstrap(
        (np.array(ordered),),
        np.mean,
        n_resamples=MEAN_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=0,
    ).confidence_interval
    low, high = sorted(round(sign * float(bound), DECIMALS) for bound in (found.low, found.high))
    return low, high


def canonical(values: Sequence[float]) -> tuple[int, list[float]]:
    """A sign, and the values times that sign in rising order, such that their mean is not negative.

    So what is drawn at random is the same for A − B as for B − A, and for every order of the seeds.
    """
    rounded = [round(value, DECIMALS) for value in values]
    sign = -1 if sum(rounded) < 0 else 1
    return sign, sorted(sign * value for value in rounded)
