"""Semi-supervised learning: a few images keep their label, the others have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench_plugins.labels.confusion import _UNLABELLED, describe_noise

if TYPE_CHECKING:
    from torch import Tensor


class FewLabels(Labels):
    """The same number of labelled images of each class, drawn without replacement.

    One order of each class is drawn whatever the count is, so a larger labelled set contains a smaller one.
    Images without a label have −1 in its place; those that come without one are never drawn.

    Args:
        count: labelled images in all; a multiple of the number of classes.
    """

    partial = True

    def __init__(self, *, count: int) -> None:
        if count < 1:
            raise ValueError(f"count: must be >= 1, not {count}")
        self.count = count

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        import torch

        num_classes = ctx.num_classes
        each, rest = divmod(self.count, num_classes)
        if rest:
            raise ValueError(f"count: must be a multiple of the {num_classes} classes, not {self.count}")
        labelled = torch.zeros_like(clean, dtype=torch.bool)
        for label in range(num_classes):
            members = (clean == label).nonzero()[:, 0]
            if len(members) < each:
                raise ValueError(
                    f"count: {self.count} takes {each} images of each class; class {label} has {len(members)}"
                )
            labelled[members[ctx.draws.permutation(len(members))[:each]]] = True
        given = clean.where(labelled, _UNLABELLED)
        info = describe_noise(clean, given, labelled, num_classes=num_classes, nominal_rate=0.0)
        return LabelSet(given, labelled, {"kind": "FewLabels", "count": self.count, **info})
