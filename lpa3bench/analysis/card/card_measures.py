"""The numbers of a card: each with how many images it comes from, an interval, and what it means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor

from lpa3bench.runtime.seeding import Draws

LEVEL = 0.95
"""Of all intervals."""
RESAMPLES = 2000
_CHUNK = 1_000_000
"""Drawn places that are held at once; changes no number."""
QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True, kw_only=True)
class CardMeasure:
    """One number."""

    key: str
    group: str
    title: str
    value: float | None
    """None where it is undefined; `definition` says when."""
    low: float | None = None
    high: float | None = None
    interval: str | None = None
    """What kind of interval `low` to `high` is."""
    n: int
    """Images it comes from."""
    unit: str
    """"share" for numbers in [0, 1] that count images."""
    definition: str
    quantiles: dict[str, float] | None = None
    """Of the distribution whose mean the value is, by level."""

    def plain(self) -> dict[str, Any]:
        """As plain data; what is undefined stays in as null."""
        return asdict(self)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson, JASA 1927), at level `LEVEL`.

    Good for proportions near 0 and 1, which those of a mild augmenter are.
    """
    z2 = NormalDist().inv_cdf((1 + LEVEL) / 2) ** 2
    share = hits / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == n else min(1.0, middle + half)


def proportion(yes: Tensor, **told: Any) -> CardMeasure:
    """The share of images of which something holds. yes: bool [N]; N may be 0."""
    n, hits = len(yes), int(yes.sum())
    if n == 0:
        return CardMeasure(value=None, n=0, unit="share", **told)
    low, high = wilson(hits, n)
    return CardMeasure(value=hits / n, low=low, high=high, interval="Wilson", n=n, unit="share", **told)


def mean(values: Tensor, *, unit: str, **told: Any) -> CardMeasure:
    """The mean over images, with quantiles. values: [N], N >= 1."""
    values = values.double()
    low, high = bootstrap([values], lambda columns: columns[0])
    levels = torch.tensor(QUANTILES, dtype=torch.float64)
    found = torch.quantile(values, levels).tolist()
    return CardMeasure(
        value=float(values.mean()),
        low=low,
        high=high,
        interval="bootstrap",
        n=len(values),
        unit=unit,
        quantiles={f"{level:g}": value for level, value in zip(QUANTILES, found, strict=True)},
        **told,
    )


def ratio(above: Tensor, below: Tensor, *, paired: bool, **told: Any) -> CardMeasure:
    """The mean of one column over the mean of another; undefined where that is 0.

    Args:
        above, below: [N] and [M], N = M and of the same images where they are paired.
        paired: whether both are resampled together.
    """
    one, other = above.double(), below.double()
    bottom = float(other.mean())
    if bottom == 0:
        return CardMeasure(value=None, n=len(one), unit="ratio", **told)
    low, high = bootstrap([one, other], lambda means: means[0] / means[1], paired=paired)
    return CardMeasure(
        value=float(one.mean()) / bottom,
        low=low,
        high=high,
        interval="bootstrap",
        n=len(one),
        unit="ratio",
        **told,
    )


def bootstrap(
    columns: Sequence[Tensor], statistic: Callable[[list[Tensor]], Tensor], *, paired: bool = True
) -> tuple[float, float]:
    """Percentile bootstrap over images of a statistic of means, by draws of a fixed seed.

    Args:
        columns: [N] each; of the same length where they are paired.
        statistic: takes the columns' means, [RESAMPLES] each.
    """
    draws = Draws(0)
    together = [[*columns]] if paired else [[column] for column in columns]
    found = statistic([mean for group in together for mean in _resampled(group, draws)])
    found = found[found.isfinite()]
    tail = (1 - LEVEL) / 2
    low, high = torch.quantile(found, torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return low, high


def _resampled(columns: Sequence[Tensor], draws: Draws) -> tuple[Tensor, ...]:
    """The means of columns, [N] each, in RESAMPLES samples with replacement, of the same images in all."""
    n = len(columns[0])
    rows = max(1, _CHUNK // n)
    found = []
    for begin in range(0, RESAMPLES, rows):
        places = draws.integers((min(rows, RESAMPLES - begin), n), 0, n)
        found.append(torch.stack([column[places].mean(1) for column in columns]))
    return torch.cat(found, 1).unbind()


def spread(values: Sequence[float], *, n: int, unit: str, **told: Any) -> CardMeasure:
    """The mean over seeds, with the least and the greatest. values: one of each seed."""
    return CardMeasure(
        value=sum(values) / len(values),
        low=min(values),
        high=max(values),
        interval=f"range over {len(values)} seeds",
        n=n,
        unit=unit,
        **told,
    )


def exactly(value: float, *, n: int, unit: str, **told: Any) -> CardMeasure:
    """A number that was counted or clocked once, without an interval."""
    return CardMeasure(value=value, n=n, unit=unit, **told)
