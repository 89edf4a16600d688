"""Area under the ROC curve, macro over classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lpa3bench.api import Metric
from lpa3bench_plugins.metrics.predictions import finite

if TYPE_CHECKING:
    from torch import Tensor


class MacroAUC(Metric):
    """The area under the ROC curve of each class against the rest, averaged over the classes (MedMNIST's AUC,
    its multi-class form, for two classes too).

    By ranks: the area is how often an image of the class scores above one of the rest, ties by half (the
    statistic of Mann and Whitney). Undefined where a class has no image.
    """

    name = "macro_auc"
    title = "macro AUC"
    unit = "%"
    undefined = "a class has no image, or all of them, or a probability is not finite"

    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        import torch

        counts = torch.bincount(labels, minlength=probs.shape[1])
        if bool((counts == 0).any()) or int(counts.max()) == len(labels) or not finite(probs):
            return None
        scores = probs.gather(1, labels[:, None])[:, 0]  # of each image for its own class
        by_class = torch.split(scores[labels.argsort()], counts.tolist())
        columns = np.sort(probs.T.contiguous().numpy(), axis=1)
        areas = [_area(own.numpy(), column) for own, column in zip(by_class, columns, strict=True)]
        return sum(areas) / len(areas)


def _area(own: np.ndarray, column: np.ndarray) -> float:
    """Of one class: `own`, the scores of its images for it; `column`, those of all images for it, sorted."""
    n, rest = len(own), len(column) - len(own)
    ranks = (np.searchsorted(column, own, "left") + np.searchsorted(column, own, "right") + 1) / 2
    return float(ranks.sum() - n * (n + 1) / 2) / (n * rest)
