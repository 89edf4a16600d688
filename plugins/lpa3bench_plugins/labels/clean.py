"""The data set's own labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench_plugins.labels.confusion import _UNLABELLED, describe_noise

if TYPE_CHECKING:
    from torch import Tensor


class Clean(Labels):
    """All images have their own label; those that come without one stay without."""

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        labelled = clean != _UNLABELLED
        info = describe_noise(clean, clean, labelled, num_classes=ctx.num_classes, nominal_rate=0.0)
        return LabelSet(clean.clone(), labelled, {"kind": "Clean", **info})
