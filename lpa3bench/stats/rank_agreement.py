"""Whether two schedules rank methods alike: Kendall's τ-b of mean scores, over the seeds that all share.

A mean over n seeds is uncertain, and so is a ranking by means: even on one schedule, rankings by other seeds
do not agree wholly. So τ alone does not tell a poor proxy from few seeds. Beside it stands what τ is where
the seeds are split into disjoint halves: of the schedule by one half and the reference by the other, and, as
the ceiling of that, of the reference by either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any

from lpa3bench.stats.exact import TIE
from lpa3bench.stats.means import CONFIDENCE, DECIMALS, FEWEST_FOR_INTERVAL

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FEWEST_METHODS = 3
"""Two methods are ranked alike or the other way round: τ is 1 or −1 and says next to nothing."""
SEED_RESAMPLES = 9999
MOST_SPLITS = 1000
"""Splits into halves that are listed; of seeds with more of them so many are drawn."""
FEWEST_DEFINED = 0.5
"""Share of the resamples, or splits, in which τ must be defined; those in which it is not are left out."""

SeedScores = Mapping[str, Mapping[int, float]]
"""By method, then by seed."""


@dataclass(frozen=True, kw_only=True)
class RankAgreement:
    """Of the rankings of methods on a schedule and on the reference."""

    methods: tuple[str, ...]
    """That have runs on both."""
    seeds: tuple[int, ...]
    """That each of these has on both; no others count."""
    tau: float | None = None
    """Of the mean scores over these seeds; None: `why`."""
    low: float | None = None
    high: float | None = None
    """95 % percentile interval over resampled seeds, the same ones for all methods and both schedules. It
    covers the mean τ that so many seeds show, not the larger τ of the methods' true means. None for fewer
    than `FEWEST_FOR_INTERVAL` seeds."""
    halves: float | None = None
    """Mean τ of the schedule by half of the seeds and the reference by as many others, over all splits."""
    ceiling: float | None = None
    """Mean τ of the reference by half of the seeds and the reference by as many others: `halves` of a
    schedule that ranks as the reference does. Rankings by n/2 seeds agree less than those by n. None of a
    single seed."""
    why: str = ""
    """Why there is no τ."""


def kendall_tau(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Kendall's τ-b of two lists of numbers of the same things: ties count for neither side.

    (concordant − discordant pairs) / √(pairs untied in one · pairs untied in the other); numbers that are
    equal but for rounding are tied. None where either list is all ties.
    """
    import numpy as np

    (tau,) = _taus(np.array([one], dtype=float), np.array([other], dtype=float))
    return None if np.isnan(tau) else round(float(tau), DECIMALS)


def rank_agreement(schedule: SeedScores, reference: SeedScores) -> RankAgreement:
    """Compare two rankings, of the methods that stand in both, over the seeds that all of them share.

    What is drawn is drawn from a fixed seed: the same scores give the same numbers, in whatever order. All
    scores with the other sign give the same τ, so it does not matter which way is better.
    """
    import numpy as np

    methods = tuple(sorted(name for name in reference if name in schedule))
    sides = [scores[name] for scores in (schedule, reference) for name in methods]
    seeds = tuple(sorted(set.intersection(*({*side} for side in sides)))) if sides else ()
    if len(methods) < FEWEST_METHODS:
        why = f"of fewer than {FEWEST_METHODS} methods rankings say next to nothing"
        return RankAgreement(methods=methods, seeds=seeds, why=why)
    if not seeds:
        return RankAgreement(
            methods=methods, seeds=seeds, why="there is no seed that all methods have on both"
        )
    short, full = (
        np.array([[scores[name][seed] for name in methods] for seed in seeds], dtype=float)
        for scores in (schedule, reference)
    )
    tau = kendall_tau(short.mean(0), full.mean(0))
    if tau is None:
        return RankAgreement(methods=methods, seeds=seeds, why="on one of them all means are equal")
    n = len(seeds)
    drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=SEED_RESAMPLES) / n
    low, high = _interval(_taus(drawn @ short, drawn @ full)) if n >= FEWEST_FOR_INTERVAL else (None, None)
    first, second = _halves(n) if n > 1 else (np.zeros((0, n)),) * 2
    return RankAgreement(
        methods=methods,
        seeds=seeds,
        tau=tau,
        low=low,
        high=high,
        halves=_mean(_taus(first @ short, second @ full)),
        ceiling=_mean(_taus(first @ full, second @ full)),
    )


def _taus(one: Array, other: Array) -> Array:
    """τ-b of each row of [rows, methods] with that row of the other; not a number where it is undefined."""
    import numpy as np

    a, b = _orders(one), _orders(other)
    untied = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    taus: Array = np.full(len(a), np.nan)
    np.divide((a * b).sum(1), untied, out=taus, where=untied > 0)
    return taus


def _orders(means: Array) -> Array:
    """[rows, pairs of methods]: 1 where the first of a pair is larger, −1 where smaller, 0 where they tie."""
    import numpy as np

    first, second = np.triu_indices(means.shape[1], 1)
    difference = means[:, first] - means[:, second]
    rounding = TIE * np.abs(means).max(1, keepdims=True, initial=0)
    orders: Array = np.where(np.abs(difference) <= rounding, 0, np.sign(difference))
    return orders


def _halves(n: int) -> tuple[Array, Array]:
    """[splits, n] each: the seeds' weights in two disjoint halves; of an odd n one seed is in neither."""
    import numpy as np

    size = n // 2
    if comb(n, size) * comb(n - size, size) <= MOST_SPLITS:
        splits = [*_all_splits(n, size)]
    else:
        rng = np.random.default_rng(0)
        orders = [rng.permutation(n).tolist() for _ in range(MOST_SPLITS)]
        splits = [(order[:size], order[size : 2 * size]) for order in orders]
    weights = np.zeros((2, len(splits), n))
    for number, halves in enumerate(splits):
        for side, half in enumerate(halves):
            weights[side, number, [*half]] = 1 / size
    return weights[0], weights[1]


def _all_splits(n: int, size: int) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    for first in combinations(range(n), size):
        others = [place for place in range(n) if place not in first]
        for second in combinations(others, size):
            yield first, second


def _defined(taus: Array) -> Array | None:
    import numpy as np

    found: Array = taus[~np.isnan(taus)]
    return found if len(found) and len(found) >= FEWEST_DEFINED * len(taus) else None


def _mean(taus: Array) -> float | None:
    found = _defined(taus)
    return None if found is None else round(float(found.mean()), DECIMALS)


def _interval(taus: Array) -> tuple[float | None, float | None]:
    import numpy as np

    found = _defined(taus)
    if found is None:
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low, high = (round(float(bound), DECIMALS) for bound in np.quantile(found, [tail, 1 - tail]))
    return low, high
