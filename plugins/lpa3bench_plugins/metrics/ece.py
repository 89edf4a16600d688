"""Expected calibration error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpa3bench.api import Metric
from lpa3bench_plugins.metrics.predictions import finite

if TYPE_CHECKING:
    from torch import Tensor


class ECE(Metric):
    """How far the highest probability is from the share that is right (Guo et al. 2017, equation 3): the mean
    of |accuracy − mean confidence| over bins (m − 1, m]/bins of the confidence, weighted by their images.

    With another number of bins it is another number, and called so: `ece_10`.

    Args:
        bins: of equal width.
    """

    paper = "https://arxiv.org/abs/1706.04599"
    unit = "%"
    higher_is_better = False
    undefined = "a probability is not finite"

    def __init__(self, *, bins: int = 15) -> None:
        if bins < 1:
            raise ValueError(f"bins: must be >= 1, not {bins}")
        self.bins = bins
        self.name = "ece" if bins == 15 else f"ece_{bins}"
        self.title = "calibration error" if bins == 15 else f"calibration error, {bins} bins"

    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        import torch

        if not finite(probs):
            return None
        confidence, predicted = probs.max(1)
        edges = torch.linspace(0, 1, self.bins + 1, dtype=torch.float64)[1:-1]
        places = torch.bucketize(confidence.double(), edges)
        gap = (predicted == labels).double() - confidence.double()
        return float(torch.bincount(places, gap, minlength=self.bins).abs().sum()) / len(labels)
