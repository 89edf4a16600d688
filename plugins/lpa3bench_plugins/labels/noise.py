"""Label noise: one generator for all methods, so that they can be paired.

Exactly floor(rate·N) images, drawn without regard to their class, get a label drawn or derived anew; with
the same draws those of a lower rate are among those of a higher one. The generators released with the papers
differ in how many images are touched and in the convention of the rate; they are in `released.py`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench_plugins.labels.confusion import _UNLABELLED, describe_noise

if TYPE_CHECKING:
    from torch import Tensor

    from lpa3bench.runtime.seeding import Draws

# Truck → automobile, bird → airplane, deer → horse, cat ↔ dog (Patrini et al., 2017); others stay.
CIFAR10_MAP = (0, 1, 0, 5, 7, 3, 6, 7, 8, 1)

# The superclass (0 … 19) of each of CIFAR-100's classes.
CIFAR100_SUPERCLASS = (
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7,
    6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10,
    16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16,
    12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
)  # fmt: skip


def next_within(groups: Sequence[int]) -> tuple[int, ...]:
    """For each class the next one of its group, the last followed by the first. `groups`: one per class."""
    successor = list(range(len(groups)))
    for group in set(groups):
        members = [label for label, other in enumerate(groups) if other == group]
        for here, there in zip(members, members[1:] + members[:1], strict=True):
            successor[here] = there
    return tuple(successor)


class _Noise(Labels):
    """A share of the labels changed; a subclass says into what."""

    def __init__(self, rate: float) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate: must be from 0 to 1, not {rate}")
        self.rate = rate

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        import torch

        if without := int((clean == _UNLABELLED).sum()):
            raise ValueError(f"there is no label to change on {without:,} images that come without one")
        # Of the rate as it is written: the product of floats would make 28 of 0.29 · 100.
        count = math.floor(Fraction(str(self.rate)) * len(clean))
        noisy = ctx.draws.permutation(len(clean))[:count]
        given = clean.clone()
        given[noisy] = self.changed(clean[noisy], ctx.num_classes, ctx.draws)
        everyone = torch.ones_like(clean, dtype=torch.bool)
        info = describe_noise(clean, given, everyone, num_classes=ctx.num_classes, nominal_rate=self.rate)
        return LabelSet(given, everyone, {"kind": type(self).__name__, **info})

    @abstractmethod
    def changed(self, labels: Tensor, num_classes: int, draws: Draws) -> Tensor:
        """What becomes of the noisy images' labels. int64 [n] → int64 [n]."""


class SymmetricNoise(_Noise):
    """Labels drawn anew, uniformly over *all* classes.

    A draw may hit the image's own class, so about rate·(1 − 1/K) of the labels are wrong: of CIFAR-10's, 45,
    72 and 81 % at the published 50, 80 and 90 %.

    Args:
        rate: share of images whose label is drawn anew, from 0 to 1.
    """

    def __init__(self, *, rate: float) -> None:
        super().__init__(rate)

    def changed(self, labels: Tensor, num_classes: int, draws: Draws) -> Tensor:
        return draws.integers((len(labels),), 0, num_classes)


class AsymmetricNoise(_Noise):
    """Labels mistaken for a similar class, by a fixed map.

    Classes that map to themselves stay right: on CIFAR-10 about half of the rate is realised. No map is
    guessed from the number of classes, because digits and CIFAR-10 both have ten.

    Args:
        rate: share of images whose label goes through the map, from 0 to 1.
        mapping: "cifar10" (truck → automobile, bird → airplane, deer → horse, cat ↔ dog), "cifar100" (the
            next class of the same superclass), or for other data sets the class that each class becomes.
    """

    paper = "https://arxiv.org/abs/1609.03683"

    def __init__(self, *, rate: float, mapping: Literal["cifar10", "cifar100"] | tuple[int, ...]) -> None:
        super().__init__(rate)
        if mapping == "cifar10":
            table: tuple[int, ...] = CIFAR10_MAP
        elif mapping == "cifar100":
            table = next_within(CIFAR100_SUPERCLASS)
        elif isinstance(mapping, str):
            raise ValueError(f"mapping: must be cifar10, cifar100 or a class for each class, not {mapping!r}")
        else:
            table = tuple(mapping)
        if not table or min(table) < 0 or max(table) >= len(table):
            raise ValueError(
                f"mapping: must name a class, from 0 to their number less 1, for each class; not {table}"
            )
        self.mapping = mapping
        self.table = table

    def changed(self, labels: Tensor, num_classes: int, draws: Draws) -> Tensor:
        import torch

        if len(self.table) != num_classes:
            raise ValueError(
                f"mapping: is for {len(self.table)} classes and the data set has {num_classes}; "
                "give the class that each class becomes"
            )
        return torch.tensor(self.table)[labels]


class PairflipNoise(_Noise):
    """Labels mistaken for the next class, the last for the first (Han et al., 2018).

    Args:
        rate: share of images whose label moves on, from 0 to 1; all of them are wrong then.
    """

    paper = "https://arxiv.org/abs/1804.06872"

    def __init__(self, *, rate: float) -> None:
        super().__init__(rate)

    def changed(self, labels: Tensor, num_classes: int, draws: Draws) -> Tensor:
        return (labels + 1) % num_classes
