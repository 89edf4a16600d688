"""The data set's own labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from lpa3bench.api import Labels, LabelSet
from lpa3bench_plugins.labels.confusion import UNLABELLED, describe

if TYPE_CHECKING:
    from lpa3bench.runtime.seeding import Draws


class Clean(Labels):
    """All images have their own label; those that come without one stay without."""

    def apply(self, clean: Tensor, *, num_classes: int, draws: Draws) -> LabelSet:
        labelled = clean != UNLABELLED
        info = describe(clean, clean, labelled, num_classes=num_classes, nominal_rate=0.0)
        return LabelSet(clean.clone(), labelled, {"kind": "Clean", **info})
