"""An interval over seeds and test images: would other seeds and another such test set show it too?

A test over seeds holds for one fixed test set, and McNemar's test on images for these trained networks. This
interval is of a mean difference of accuracies when both are drawn anew. Seeds and images cross: every seed is
tested on the same images. So each resample draws seeds and images, and adds what either moves:

    d* = d + c · (mean of drawn seeds − d) + (mean of drawn images − d)

What one seed does on one image stands in both means, so it is counted twice: the interval is rather too wide
than too narrow (Owen 2007, "The pigeonhole bootstrap"). c widens the seeds' part as Student's quantile is
wider than the normal one, and as n deviations from their own mean are too small: c = √(n/(n − 1)) · t/z.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lpa3bench.stats.means import CONFIDENCE, DECIMALS, student_quantile
from lpa3bench.stats.pairing import Pair
from lpa3bench.stats.samples import FEWEST_VOTES, net_of_images, share_images
from lpa3bench.stats.signflips import REMEMBERED

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FEWEST_SEEDS = 3
NESTED_RESAMPLES = 9999


@dataclass(frozen=True, kw_only=True)
class SeedsAndImages:
    """A mean difference of accuracies at the last epoch, with both seeds and test images drawn anew."""

    seeds: int
    images: int
    difference: float
    low: float
    high: float
    """95 % interval; simulated coverage is 95 % or more from `FEWEST_SEEDS` seeds on."""


def seeds_and_images(pairs: Sequence[Pair]) -> SeedsAndImages | None:
    """Of all pairs of two methods.

    None for fewer than `FEWEST_SEEDS` pairs, where the seeds have other test sets, and where fewer than
    `FEWEST_VOTES` images tell the two apart.
    """
    if len(pairs) < FEWEST_SEEDS or not share_images(pairs):
        return None
    by_image = net_of_images(pairs)
    if sum(net != 0 for net in by_image) < FEWEST_VOTES:
        return None
    by_seed = [pair.method.right - pair.baseline.right for pair in pairs]
    low, high = nested_interval(by_seed, by_image)
    return SeedsAndImages(
        seeds=len(pairs),
        images=len(by_image),
        difference=sum(by_seed) / len(by_seed) / len(by_image),
        low=low,
        high=high,
    )


def nested_interval(
    by_seed: Sequence[int], by_image: Sequence[int], resamples: int = NESTED_RESAMPLES
) -> tuple[float, float]:
    """95 % interval of the mean difference, a share in [−1, 1]. Drawn from a fixed seed, so always the same.

    Args:
        by_seed: of each of n ≥ 2 seeds how many images more the method has right.
        by_image: of each of m images with how many seeds more the method has it right; the same sum.
    """
    total = sum(by_seed)
    if total != sum(by_image):
        raise ValueError(f"by_image: must have the sum of by_seed, {total}, not {sum(by_image)}")
    sign = -1 if total < 0 else 1  # the same is drawn for A − B as for B − A, and for every order
    found = Counter(sign * net for net in by_image)
    return _interval(
        tuple(sorted(sign * net for net in by_seed)), tuple(sorted(found.items())), sign, resamples
    )


@lru_cache(REMEMBERED)
def _interval(
    by_seed: tuple[int, ...], found: tuple[tuple[int, int], ...], sign: int, resamples: int
) -> tuple[float, float]:
    """Of the net of each seed, and how many images have each net, turned so that their sum is no less than 0;
    `sign` turns it back."""
    import numpy as np
    from scipy import special

    n, m, total = len(by_seed), sum(count for _, count in found), sum(by_seed)
    seeds = np.array(by_seed) / m
    images = np.array([net for net, _ in found]) / n
    share = np.array([count for _, count in found]) / m
    drawn, state = _drawn_seeds(n, resamples)
    rng = np.random.default_rng(0)
    rng.bit_generator.state = state
    difference = total / n / m
    of_seeds = drawn @ seeds / n - difference
    of_images = rng.multinomial(m, share, size=resamples) @ images / m - difference
    tail = (1 - CONFIDENCE) / 2
    wider = (n / (n - 1)) ** 0.5 * student_quantile(n - 1) / -float(special.ndtri(tail))
    bounds = difference + np.quantile(wider * of_seeds + of_images, [tail, 1 - tail])
    low, high = sorted(round(sign * float(np.clip(bound, -1, 1)), DECIMALS) for bound in bounds)
    return low, high


@lru_cache(2)  # a board has as many pairs in most of its cells
def _drawn_seeds(n: int, resamples: int) -> tuple[Array, Mapping[str, Any]]:
    """How often each resample draws each of the seeds, and where that leaves the generator."""
    import numpy as np

    rng = np.random.default_rng(0)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    return drawn, rng.bit_generator.state
