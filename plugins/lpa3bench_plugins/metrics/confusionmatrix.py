"""Confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lpa3bench.api import Metric
from lpa3bench_plugins.metrics.predictions import confusion

if TYPE_CHECKING:
    from torch import Tensor


class ConfusionMatrix(Metric):
    """Which class was taken for which: images by their class (rows) and the class predicted (columns)."""

    name = "confusion_matrix"
    title = "confusion matrix"
    detail_only = True

    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        return None

    def detail(self, probs: Tensor, labels: Tensor) -> Any:
        return {"rows": "class", "columns": "predicted", "images": confusion(probs, labels).tolist()}
