"""Accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpa3bench.api import Metric
from lpa3bench_plugins.metrics.predictions import finite

if TYPE_CHECKING:
    from torch import Tensor


class Accuracy(Metric):
    """The share of images whose class has the highest probability, the first of equals."""

    name = "accuracy"
    title = "accuracy"
    unit = "%"
    counts = True
    undefined = "a probability is not finite"

    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        if not finite(probs):
            return None
        return int((probs.argmax(1) == labels).sum()) / len(labels)
