"""What a method does to single classes: a mean that rises can hide a class that falls.

Source: Balestriero, Bottou and LeCun, "The effects of regularization and data augmentation are class
dependent", 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lpa3bench.records.moments import exact_stdev
from lpa3bench.stats.exact import Exact, difference, share_of
from lpa3bench.stats.pairing import Pair


@dataclass(frozen=True, kw_only=True)
class ClassHarm:
    """One class, over the pairs."""

    number: int
    name: str
    """As the data set calls it; else its number."""
    mean: float
    """Of method − baseline accuracy; what cancels out is exactly zero."""
    std: float | None
    """Sample standard deviation of the differences (ddof = 1); None for one pair."""
    in_every_pair: bool
    """Whether it is worse in each of them."""


@dataclass(frozen=True, kw_only=True)
class Harm:
    """All classes that the test set has images of."""

    classes: tuple[ClassHarm, ...]
    worst: ClassHarm
    """With the lowest mean difference, the first of equals. Chosen for that, it looks worse than it is."""
    harmed: int
    """Classes whose mean accuracy is below the baseline's. Of a method that changes nothing, about half."""
    harmed_in_every_pair: int


def class_harm(pairs: Sequence[Pair]) -> Harm | None:
    """Mean per-class differences over pairs, at the last epoch; None without pairs or common classes."""
    if not pairs:
        return None
    count = min(min(len(_accuracies(pair)[0]), len(_accuracies(pair)[1])) for pair in pairs)
    classes = [found for number in range(count) if (found := _class(pairs, number)) is not None]
    if not classes:
        return None
    means = [one.mean for one in classes]
    return Harm(
        classes=tuple(classes),
        worst=classes[means.index(min(means))],
        harmed=sum(mean < 0 for mean in means),
        harmed_in_every_pair=sum(one.in_every_pair for one in classes),
    )


def _accuracies(pair: Pair) -> tuple[Sequence[float | None], Sequence[float | None]]:
    return pair.method.data.per_class.shares, pair.baseline.data.per_class.shares


def _class(pairs: Sequence[Pair], number: int) -> ClassHarm | None:
    """None where a test set has no image of the class."""
    differences: list[Exact] = []
    for pair in pairs:
        ours, theirs = (accuracies[number] for accuracies in _accuracies(pair))
        if ours is None or theirs is None:
            return None
        images = pair.method.data.correct.n
        differences.append(difference(share_of(ours, images), share_of(theirs, images)))
    names = pairs[0].method.data.per_class.names
    return ClassHarm(
        number=number,
        name=names[number] if names else str(number),
        mean=float(sum(differences) / len(differences)),
        std=exact_stdev(map(float, differences)) if len(differences) > 1 else None,
        in_every_pair=all(one < 0 for one in differences),
    )
