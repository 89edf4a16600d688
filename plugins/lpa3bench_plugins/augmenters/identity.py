"""No augmentation: the control that tells what an augmenter's views do from what an added loss term does."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Context, Domain, View


class Identity(Augmenter):
    """Every image is its own view.

    Bound as `positives` it adds the loss of the same images once more; with domain "aux" through the second
    BatchNorm, so that a run has all of LP-A3's machinery but the search.

    Args:
        domain: the BatchNorm that the views are trained through, "main" or "aux".

    Raises:
        ValueError: there is no such domain.
    """

    def __init__(self, *, domain: Domain = "main") -> None:
        if domain not in ("main", "aux"):
            raise ValueError(f"domain: must be 'main' or 'aux', not {domain!r}")
        self.bn_domain = domain

    def unshared(self) -> str | None:
        """Nothing is drawn."""
        return None

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(x, torch.arange(len(x), device=x.device))
