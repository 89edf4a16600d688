"""The exact sign-flip test of a mean difference, and the interval that it comes to when it is inverted.

Under the null hypothesis either sign of each difference is as likely, whatever its size (Fisher, 1935, §21).
Of the 2ⁿ ways to set the signs, p is the share whose mean is at least as far from zero as the one seen. Ties
count as ties: integers and fractions are added as integers, sums of floats are compared with a tolerance for
their own rounding.

All sign patterns are counted without being listed: those of each half of the differences are, 2^(n/2), and
each sum of one half is looked up among the sorted sums of the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from numbers import Rational
from typing import TYPE_CHECKING, Any

from lpa3bench.stats.exact import Exact

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

EXACT_UP_TO = 32
"""Pairs; of more, the halves' 2^(n/2) sums take seconds."""
DRAWN_PATTERNS = 2**16
"""Sign patterns that are drawn, from a fixed seed, of more pairs than that; each is its opposite as well."""
_ROUNDING = 2.0**-30
"""Sums of floats that differ by no more than this share of the sum of all sizes are equal. It covers the
rounding of scores that differ by a millionth of themselves, and makes a p larger by next to nothing."""
_LARGEST_INTEGER = 2**62
_LARGEST_FLOAT32 = 2**24
"""Sums of integers below are exact as float32."""
LOCATED = 2.0**-44
"""How exactly, as a share of the range of the differences, the ends of an interval are located."""
LISTED_UP_TO = 16
"""Pairs of which all subsets are listed, to find the ends of an interval."""
_COUNTED_SUMS = 2**21
"""Sizes times sums of subsets that are counted for it."""
REMEMBERED = 4096
"""Results of tests and intervals that a process remembers, by the numbers that they are of."""


def smallest_p(differences: Sequence[Exact]) -> float:
    """The smallest p that differences of these sizes allow, with all signs alike: 2/2ⁿ of n beside zeros.

    Of more than can be counted it is what the drawn patterns resolve; 1 where all are zero.
    """
    floor = min(1.0, 2.0 ** (1 - sum(value != 0 for value in differences)))
    return floor if len(differences) <= EXACT_UP_TO else max(floor, 1 / (DRAWN_PATTERNS + 1))


def sign_flip_p(differences: Sequence[Exact]) -> float:
    """Two-sided p of the mean of the differences; never 0, and 1 where there is none but zeros."""
    values, _ = _scaled(differences)
    return _p(tuple(values), _floats(values))


def sign_flip_interval(differences: Sequence[Exact], confidence: float = 0.95) -> tuple[float, float] | None:
    """Every mean difference that the test does not reject, as an interval; zero lies in it just where p of
    `sign_flip_p` is above 1 − confidence. None where n pairs cannot reject anything (fewer than six at 95 %).

    A mean θ is rejected from above where too few of the 2ⁿ − 1 means of subsets of the differences are θ or
    less (Hartigan, 1969), so each end is one of those means.
    """
    alpha = Fraction(str(1 - confidence)).limit_denominator(10**6)
    n = len(differences)
    drawn = n > EXACT_UP_TO
    wanted = math.floor(alpha * (DRAWN_PATTERNS + 1) if drawn else alpha * 2**n / 2)
    if not n or wanted < 1:
        return None
    values, unit = _scaled(differences)
    low, high = (end / unit for end in _ends(tuple(values), wanted, _floats(values)))
    if sign_flip_p(differences) > alpha:  # the ends are located, the test is exact
        return min(low, 0.0), max(high, 0.0)
    return low, high


# A board asks of the same differences several times: of both axes of equal cost, and of a test and its
# interval. `floats` is what tells 1.0 from 1, which are equal as keys.
@lru_cache(REMEMBERED)
def _p(values: tuple[float, ...], floats: bool) -> float:
    if len(values) > EXACT_UP_TO:
        return _drawn_p(values)
    signed = [value for value in values if value]  # zeros double both counts
    seen: float = abs(math.fsum(signed)) if _floats(signed) else abs(sum(signed))
    least = seen - _tolerance(signed)
    if least <= 0:
        return 1.0
    return min(1.0, _count_sums_from(signed, least) * 2.0 ** (1 - len(signed)))


@lru_cache(REMEMBERED)
def _ends(values: tuple[float, ...], wanted: int, floats: bool) -> tuple[float, float]:
    """Of the interval in which no mean is rejected, for values with that many subsets on either side."""
    if len(values) > EXACT_UP_TO:
        return _drawn_ends(values, wanted)
    return _kth_subset_mean(values, wanted), -_kth_subset_mean([-value for value in values], wanted)


def _scaled(values: Sequence[Exact]) -> tuple[list[int] | list[float], int]:
    """Exact numbers as integers, and what they were multiplied by; others as floats, times one."""
    if all(isinstance(value, Rational) for value in values):
        fractions = [Fraction(value) for value in values]
        unit = math.lcm(*(value.denominator for value in fractions))
        integers = [int(value * unit) for value in fractions]
        if sum(map(abs, integers)) < _LARGEST_INTEGER:
            return integers, unit
    return [float(value) for value in values], 1


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
    """The k-th smallest of the means of all subsets but the empty one.

    Few subsets are listed, those of integers counted by size and sum; of what is too much for either the mean
    is located by bisection.
    """
    if len(values) <= LISTED_UP_TO:
        return _kth_listed_mean(values, k)
    if not _floats(values) and len(values) * sum(abs(int(value)) for value in values) <= _COUNTED_SUMS:
        return _kth_counted_mean([int(value) for value in values], k)
    return _kth_located_mean(values, k)


def _kth_listed_mean(values: Sequence[float], k: int) -> float:
    import numpy as np

    sums, sizes = _sums(values, 0, 1)[1:], _sums([1] * len(values), 0, 1)[1:]
    return float(np.partition(sums / sizes, k - 1)[k - 1])


def _kth_counted_mean(values: Sequence[int], k: int) -> float:
    import numpy as np

    least = sum(value for value in values if value < 0)
    most = sum(value for value in values if value > 0)
    counts = np.zeros((len(values) + 1, most - least + 1), dtype=np.int64)
    """Subsets, by size and by sum − least."""
    counts[0, -least] = 1
    for taken, value in enumerate(values):
        before = counts[: taken + 1].copy()
        if value >= 0:
            counts[1 : taken + 2, value:] += before[:, : before.shape[1] - value]
        else:
            counts[1 : taken + 2, :value] += before[:, -value:]
    sizes, sums = np.nonzero(counts[1:])
    means = (sums + least) / (sizes + 1)
    order = np.argsort(means)
    up_to = np.cumsum(counts[1:][sizes, sums][order])
    return float(means[order[np.searchsorted(up_to, k)]])


def _kth_located_mean(values: Sequence[float], k: int) -> float:
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
@lru_cache(2)  # a board has as many pairs in most of its cells
def _drawn_choices(n: int) -> Array:
    """[patterns, n]: 1 where a pattern leaves the sign, else 0."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 2, size=(DRAWN_PATTERNS, n), dtype=np.int8).astype(np.float32)


def _drawn_sums(values: Sequence[float]) -> Array:
    """What each drawn pattern chooses, added."""
    import numpy as np

    array, chosen = np.array(values, dtype=float), _drawn_choices(len(values))
    if not _floats(values) and sum(map(abs, values)) < _LARGEST_FLOAT32:
        sums: Array = (chosen @ array.astype(np.float32)).astype(float)
        return sums
    blocks = np.array_split(chosen, 16)  # not all of it as float64 at once
    return np.concatenate([block.astype(float) @ array for block in blocks])


def _drawn_p(values: Sequence[float]) -> float:
    """Each drawn pattern is counted with its opposite, and what was seen as one of them."""
    import numpy as np

    array = np.array(values, dtype=float)
    sums = np.abs(2 * _drawn_sums(values) - array.sum())
    as_far = int((sums >= abs(array.sum()) - _ROUNDING * np.abs(array).sum()).sum())
    return (as_far + 1) / (DRAWN_PATTERNS + 1)


def _drawn_ends(values: Sequence[float], k: int) -> tuple[float, float]:
    """The k-th mean from below and from above over the drawn patterns, of which each has two: of what it
    chooses and of what it leaves, and is as good as the one farther out. One that leaves nothing is what was
    seen, and rejects no mean."""
    import numpy as np

    n, sums = len(values), _drawn_sums(values)
    sizes = _drawn_choices(n).sum(1)
    with np.errstate(invalid="ignore"):
        chosen, left = sums / sizes, (float(sum(values)) - sums) / (n - sizes)
    low = np.nan_to_num(np.minimum(chosen, left), nan=-np.inf)
    high = np.nan_to_num(np.maximum(chosen, left), nan=np.inf)
    return float(np.partition(low, k - 1)[k - 1]), float(np.partition(high, -k)[-k])
