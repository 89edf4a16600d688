"""Tests on the images of the test set: do two trained networks, or a few, differ on images of this kind?

That is another question than whether the methods would differ with other seeds; three runs cannot answer the
latter, but ten thousand images can answer this one. Runs with several seeds share their test images, so image
and seed together are no independent sample: everything is first brought to one number an image.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lpa3bench.records import Record
from lpa3bench.records.bits import flags
from lpa3bench.stats.means import DECIMALS, student_interval
from lpa3bench.stats.pairing import Pair

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FEWEST_VOTES = 10
"""Images that tell the two apart: with fewer, an interval covers less than it says."""


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """Exact McNemar test."""

    only_method: int
    """Images that the method alone has right; pooled: more often right."""
    only_baseline: int
    p: float
    """Two-sided, by the binomial distribution; 1 where no image tells them apart."""


@dataclass(frozen=True, kw_only=True)
class PerSample:
    """All pairs of two methods, image by image, at the last epoch."""

    images: int
    seeds: tuple[tuple[int, McNemar], ...]
    """For each seed by itself."""
    pooled: McNemar
    """Over all seeds: an image has one vote, for the method that has it right with more seeds."""
    difference: float
    """Mean over images of the mean difference over seeds."""
    low: float | None
    high: float | None
    """Its 95 % confidence interval over images (Student's t), with these trained networks given.

    None where fewer than `FEWEST_VOTES` images tell the two apart.
    """


def mcnemar(pair: Pair) -> McNemar:
    """McNemar's exact test of two runs on the test images they share."""
    return _votes(net_of_images([pair]))


def pooled_mcnemar(pairs: Sequence[Pair]) -> McNemar | None:
    """McNemar's test over the seeds' pairs; None without pairs, or where the seeds have other test sets.

    Each image votes once, for the method that has it right with more seeds; of one pair it is McNemar's.
    """
    return _votes(net_of_images(pairs)) if share_images(pairs) else None


def per_sample(pairs: Sequence[Pair]) -> PerSample | None:
    """All tests on images; None without pairs, or where the seeds have other test sets."""
    if not share_images(pairs):
        return None
    net = net_of_images(pairs)
    low, high = _interval(net, len(pairs)) or (None, None)
    return PerSample(
        images=len(net),
        seeds=tuple((pair.seed, mcnemar(pair)) for pair in pairs),
        pooled=_votes(net),
        difference=sum(net) / len(net) / len(pairs),
        low=low,
        high=high,
    )


def share_images(pairs: Sequence[Pair]) -> bool:
    """Whether there are pairs, all of them with one test set."""
    kinds = {(pair.method.data_hash, pair.method.data.correct.n) for pair in pairs}
    return len(kinds) == 1


def net_of_images(pairs: Sequence[Pair]) -> list[int]:
    """For each image, with how many seeds more the method has it right than the baseline."""
    import numpy as np

    def right(record: Record) -> Array:
        return np.frombuffer(flags(record.data.correct), dtype=np.int8)

    net = np.zeros(pairs[0].method.data.correct.n, dtype=np.int64)
    for pair in pairs:
        net += right(pair.method) - right(pair.baseline)
    nets: list[int] = net.tolist()
    return nets


def _votes(net: Sequence[int]) -> McNemar:
    method, baseline = sum(one > 0 for one in net), sum(one < 0 for one in net)
    p = 1.0
    if method + baseline:
        from scipy import special

        p = min(1.0, 2 * float(special.bdtr(min(method, baseline), method + baseline, 0.5)))
        p = max(float(f"{p:.{DECIMALS}g}"), sys.float_info.min)  # too small for a float is not 0
    return McNemar(only_method=method, only_baseline=baseline, p=p)


def _interval(net: Sequence[int], seeds: int) -> tuple[float, float] | None:
    if sum(one != 0 for one in net) < FEWEST_VOTES:
        return None
    return student_interval([one / seeds for one in net])
