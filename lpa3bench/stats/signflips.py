"""The exact sign-flip test of a mean difference, and the interval that it comes to when it is inverted.

Under the null hypothesis either sign of each difference is as likely, whatever its size (Fisher, 1935, §21).
Of the 2ⁿ ways to set the signs, p is the share whose mean is at least as far from zero as the one seen. Ties
count as ties: differences of counts are added as integers, those of other numbers are compared with a
tolerance for the rounding of their own sums.

All sign patterns are counted without being listed: those of each half of the differences are, 2^(n/2), and
each sum of one half is looked up among the sorted sums of the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

EXACT_UP_TO = 40
"""Pairs; both halves of more would not fit into memory."""
DRAWN_PATTERNS = 2**16
"""Sign patterns that are drawn, from a fixed seed, of more pairs than that."""
_ROUNDING = 2.0**-40
"""Sums of floats that differ by no more than this share of the sum of all sizes are equal."""
LOCATED = 2.0**-44
"""How exactly, as a share of the range of the differences, the ends of an interval are located."""


def smallest_p(differences: Sequence[float]) -> float:
    """The smallest p that differences of these sizes allow, with all signs alike: 2/2ⁿ of n beside zeros.

    Of more than can be counted it is what the drawn patterns resolve; 1 where all are zero.
    """
    n = sum(value != 0 for value in differences)
    return min(1.0, 2.0 ** (1 - n)) if n <= EXACT_UP_TO else 1 / (DRAWN_PATTERNS + 1)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p of the mean of the differences; never 0.

    Args:
        differences: integers, or floats; at least one.
    """
    signed = [value for value in differences if value]  # zeros double both counts
    if not signed:
        return 1.0
    if len(signed) > EXACT_UP_TO:
        return _drawn_p(signed)
    seen: float = abs(math.fsum(signed)) if _floats(signed) else abs(sum(signed))
    least = seen - _tolerance(signed)
    if least <= 0:
        return 1.0
    return min(1.0, _count_sums_from(signed, least) * 2.0 ** (1 - len(signed)))


def sign_flip_interval(differences: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Every mean difference that the test does not reject, as an interval; zero lies in it just where p of
    `sign_flip_p` is above 1 − confidence. None where n pairs cannot reject anything (fewer than six at 95 %).

    A mean θ is rejected from above where too few of the 2ⁿ − 1 means of subsets of the differences are θ or
    less (Hartigan, 1969), so each end is one of those means.
    """
    n = len(differences)
    wanted = math.floor(Fraction(str(1 - confidence)).limit_denominator(10**6) * 2 ** (n - 1)) if n else 0
    if wanted < 1 or n > EXACT_UP_TO:
        return None if wanted < 1 else _drawn_interval(differences, confidence)
    low = _kth_subset_mean(differences, wanted)
    high = -_kth_subset_mean([-value for value in differences], wanted)
    if sign_flip_p(differences) > 1 - confidence:  # the ends are located, the test is exact
        return min(low, 0.0), max(high, 0.0)
    return low, high


# ------------------------------------------------------------------------------------------------ counting
def _floats(values: Sequence[float]) -> bool:
    return any(not isinstance(value, int) for value in values)


def _tolerance(values: Sequence[float]) -> float:
    return _ROUNDING * math.fsum(map(abs, values)) if _floats(values) else 0.0


def _sums(values: Sequence[float], low: float, high: float) -> Array:
    """Σ of `values[i]` times `low` or `high`, over all choices."""
    import numpy as np

    total = np.zeros(1, dtype=float if _floats([*values, low, high]) else np.int64)
    for value in values:
        total = np.concatenate((total + low * value, total + high * value))
    return total


def _count_sums_from(values: Sequence[float], least: float) -> int:
    """How many of all Σ ±values are `least` or more."""
    import numpy as np

    half = len(values) // 2
    left, right = _sums(values[:half], -1, 1), np.sort(_sums(values[half:], -1, 1))
    return int((len(right) - np.searchsorted(right, least - left, side="left")).sum())


def _kth_subset_mean(values: Sequence[float], k: int) -> float:
    """The k-th smallest of the means of all subsets but the empty one, by bisection."""
    low, high = float(min(values)), float(max(values))
    width = high - low
    while high - low > LOCATED * max(width, abs(high), abs(low)):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if _count_subsets_up_to(values, middle) >= k:
            high = middle
        else:
            low = middle
    return high


def _count_subsets_up_to(values: Sequence[float], mean: float) -> int:
    """How many subsets but the empty one have that mean or a smaller one: a sum of (value − mean) ≤ 0."""
    import numpy as np

    centred = [float(value) - mean for value in values]
    half = len(values) // 2
    left, right = _sums(centred[:half], 0, 1), np.sort(_sums(centred[half:], 0, 1))
    return int(np.searchsorted(right, -left, side="right").sum()) - 1


# ------------------------------------------------------------------------------------------------- drawing
def _drawn_signs(n: int) -> Array:
    import numpy as np

    return np.random.default_rng(0).integers(0, 2, size=(DRAWN_PATTERNS, n), dtype=np.int8) * 2 - 1


def _drawn_p(values: Sequence[float]) -> float:
    import numpy as np

    array = np.array(values, dtype=float)
    sums = np.abs(_drawn_signs(len(values)) @ array)
    as_far = int((sums >= abs(array.sum()) - _ROUNDING * np.abs(array).sum()).sum())
    return (as_far + 1) / (DRAWN_PATTERNS + 1)


def _drawn_interval(values: Sequence[float], confidence: float) -> tuple[float, float]:
    """The same of the subsets that the drawn signs choose."""
    import numpy as np

    chosen = _drawn_signs(len(values)) > 0
    sizes = chosen.sum(1)
    means = np.sort((chosen @ np.array(values, dtype=float))[sizes > 0] / sizes[sizes > 0])
    k = max(math.floor((1 - confidence) / 2 * (DRAWN_PATTERNS + 1)), 1)
    low, high = float(means[k - 1]), float(means[-k])
    if _drawn_p(values) > 1 - confidence:
        return min(low, 0.0), max(high, 0.0)
    return low, high
