"""Adds independent normal noise to every pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench import Augmenter, Context, View


class PixelNoise(Augmenter):
    """x + sigma·n with n ~ N(0, 1), clamped to [0, 1]; one view of each image.

    Args:
        sigma: standard deviation of the noise, in units of the image's range.
    """

    def __init__(self, *, sigma: float = 0.05) -> None:
        if sigma < 0:
            raise ValueError(f"sigma: must be >= 0, not {sigma}")
        self.sigma = sigma

    def generate(self, x: Tensor, ctx: Context) -> View:
        noisy = x + ctx.draws.normal(x.shape, std=self.sigma, like=x)
        return View(noisy.clamp(0, 1), rows=torch.arange(len(x), device=x.device))
