"""Semi-supervised learning: a few images keep their label, the others have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench_plugins.labels.confusion import _UNLABELLED, describe_noise

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 5
"""Classes that a line names."""


class FewLabels(Labels):
    """The same number of labelled images of each class, drawn without replacement.

    One order of each class is drawn whatever the number is, so a larger labelled set contains a smaller one.
    Images without a label have −1 in its place; those that come without one are never drawn.

    Args:
        count: labelled images in all; a multiple of the number of classes, each of which must have its share.
        per_class: labelled images of each class, at most: a class that has fewer keeps all its labels.
            Either this or `count`.
    """

    partial = True

    added = ("per_class",)

    def __init__(self, *, count: int | None = None, per_class: int | None = None) -> None:
        if (count is None) == (per_class is None):
            raise ValueError(f"count: give it or per_class, not {'neither' if count is None else 'both'}")
        for name, value in (("count", count), ("per_class", per_class)):
            if value is not None and value < 1:
                raise ValueError(f"{name}: must be >= 1, not {value}")
        self.count = count
        self.per_class = per_class

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        import torch

        num_classes = ctx.num_classes
        each = self._each(num_classes)
        labelled = torch.zeros_like(clean, dtype=torch.bool)
        fewer: dict[int, int] = {}
        for label in range(num_classes):
            members = (clean == label).nonzero()[:, 0]
            if len(members) < each:
                fewer[label] = len(members)
            labelled[members[ctx.draws.permutation(len(members))[:each]]] = True
        if fewer and self.count is not None:
            label, there = next(iter(fewer.items()))
            raise ValueError(
                f"count: {self.count} takes {each} images of each class; {ctx.shown_name(label)} has {there}"
            )
        given = clean.where(labelled, _UNLABELLED)
        info = describe_noise(clean, given, labelled, num_classes=num_classes, nominal_rate=0.0)
        asked = {"count": self.count} if self.count is not None else {"per_class": self.per_class}
        told = _told({ctx.shown_name(label): there for label, there in fewer.items()}, each)
        return LabelSet(given, labelled, {"kind": "FewLabels", **asked, **info}, tuple(told))

    def _each(self, num_classes: int) -> int:
        """Labelled images of each class."""
        if self.count is None:
            return self.per_class or 0
        each, rest = divmod(self.count, num_classes)
        if rest:
            raise ValueError(
                f"count: must be a multiple of the {num_classes} classes, not {self.count}; "
                "per_class takes any number"
            )
        return each


def _told(fewer: Mapping[str, int], each: int) -> Iterator[str]:
    """fewer: how many images there are of classes that have not enough, by class."""
    if fewer:
        classes = ", ".join(f"{name} has {count}" for name, count in [*fewer.items()][:_SHOWN])
        more = f" and {len(fewer) - _SHOWN} more classes have fewer" if len(fewer) > _SHOWN else ""
        yield f"FewLabels: not every class has {each} images: {classes}{more}; they keep all their labels"
