"""The data set's own labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lpa3bench.api import Labels, LabelSet
from lpa3bench_plugins.labels.confusion import describe

if TYPE_CHECKING:
    from lpa3bench.seeding import Draws


class Clean(Labels):
    """All images have their own label."""

    def apply(self, clean: Tensor, *, num_classes: int, draws: Draws) -> LabelSet:
        everyone = torch.ones_like(clean, dtype=torch.bool)
        info = describe(clean, clean, everyone, num_classes=num_classes, nominal_rate=0.0)
        return LabelSet(clean.clone(), everyone, {"kind": "Clean", **info})
