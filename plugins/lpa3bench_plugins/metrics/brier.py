"""Brier score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpa3bench.api import Metric
from lpa3bench_plugins.metrics.predictions import finite

if TYPE_CHECKING:
    from torch import Tensor


class Brier(Metric):
    """The squared distance of the probabilities from the image's class (1 for it, 0 for the others), summed
    over the classes and averaged over the images: in [0, 2] (Brier 1950). For two classes it is twice the
    score that looks at one of them."""

    paper = "https://doi.org/10.1175/1520-0493(1950)078%3C0001:VOFEIT%3E2.0.CO;2"
    name = "brier"
    title = "Brier score"
    higher_is_better = False
    undefined = "a probability is not finite"

    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        import torch

        if not finite(probs):
            return None
        distance = probs.double()
        distance[torch.arange(len(labels)), labels] -= 1
        return float(distance.square().sum(1).mean())
