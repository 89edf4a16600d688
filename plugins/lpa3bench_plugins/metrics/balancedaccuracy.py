"""Balanced accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpa3bench.api import Metric
from lpa3bench_plugins.metrics.predictions import confusion, finite

if TYPE_CHECKING:
    from torch import Tensor


class BalancedAccuracy(Metric):
    """The accuracy of each class, averaged over the classes that have an image: each counts alike, however
    rare it is."""

    name = "balanced_accuracy"
    title = "balanced accuracy"
    unit = "%"
    undefined = "a probability is not finite"

    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        if not finite(probs):
            return None
        counts = confusion(probs, labels)
        images = counts.sum(1)
        present = images > 0
        return float((counts.diagonal()[present].double() / images[present]).mean())
