"""Scores and shares as the fractions of counts that they are, so that differences that tie are seen to tie.

A difference of 3/717 and one of 2/717 + 1/717 are the same; as floats they are not, and a test that counts
sign patterns would take one for larger. Numbers that are no counts stay floats, and are compared with a
tolerance for their rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from lpa3bench.records import Record

Exact = Fraction | float
"""A number that is exact, or one that is only as good as a float."""
_EPOCHS = 20
"""Means over ten or twenty epochs, and medians, of counts k/N are counts of 1/(20 N)."""
_FLOAT_ERROR = 2.0**-48
"""A float this near to a fraction of the images is that fraction."""
_NOISE = 2.0**-44
"""As a share of two numbers, what a difference between them is if it is nothing but rounding."""
TIE = 2.0**-40
"""Numbers that differ by no more than this share of the largest one are equal."""


@lru_cache(2**16)  # a test set has few shares
def share_of(share: float, images: int) -> Exact:
    """A share of at most so many images as the fraction that it is; a float that is none stays as it is."""
    fraction = Fraction(share).limit_denominator(max(images, 1)) if math.isfinite(share) else None
    return share if fraction is None or abs(float(fraction) - share) > _FLOAT_ERROR else fraction


def score_of(record: Record, metric: str, score: float) -> Exact:
    """A score on the test split, of one epoch or by any rule: exact where the metric counts images."""
    kind = record.metrics.get(metric)
    return share_of(score, _EPOCHS * record.data.correct.n) if kind and kind.counts else score


def difference(a: Exact, b: Exact) -> Exact:
    """a − b; of floats that are equal but for rounding, zero."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a - b
    a, b = float(a), float(b)
    return 0.0 if abs(a - b) <= _NOISE * max(abs(a), abs(b)) else a - b


def mean_ranks(values: Sequence[Exact]) -> list[Fraction]:
    """The rank of each value, 1 for the lowest; what is equal but for rounding shares the mean of ranks."""
    largest = max((abs(float(value)) for value in values), default=0.0)
    order = sorted(range(len(values)), key=lambda place: values[place])
    tied: list[list[int]] = []
    for place in order:
        if tied and float(values[place]) - float(values[tied[-1][-1]]) <= TIE * largest:
            tied[-1].append(place)
        else:
            tied.append([place])
    ranks: dict[int, Fraction] = {}
    for places in tied:
        below = len(ranks)
        ranks |= dict.fromkeys(places, Fraction(2 * below + len(places) + 1, 2))
    return [ranks[place] for place in range(len(values))]
