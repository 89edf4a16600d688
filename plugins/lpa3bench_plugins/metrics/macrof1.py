"""F1, macro over classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpa3bench.api import Metric
from lpa3bench_plugins.metrics.predictions import confusion, finite

if TYPE_CHECKING:
    from torch import Tensor


class MacroF1(Metric):
    """The harmonic mean of precision and recall of each class, averaged over the classes that have an image
    or were predicted; 0 for a class of which no image was right."""

    name = "macro_f1"
    title = "macro F1"
    unit = "%"
    undefined = "a probability is not finite"

    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        if not finite(probs):
            return None
        counts = confusion(probs, labels)
        both = counts.sum(0) + counts.sum(1)  # 2 TP + FP + FN
        present = both > 0
        return float((2 * counts.diagonal()[present].double() / both[present]).mean())
