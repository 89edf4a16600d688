"""CutMix (Yun et al., ICCV 2019): a box of every image comes from another, and so does part of the label."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Context, View
from lpa3bench.errors import PluginError
from lpa3bench.runtime.device import send
from lpa3bench.runtime.seeding import Draws

PastedBox = tuple[slice, slice]
"""Rows and columns."""


class CutMix(Augmenter):
    """Pastes a box of a partner into every image and mixes the two labels by the areas that remain.

    As in the paper's Algorithm A1 and its released code, one box and one share are drawn for a whole batch,
    and every image's partner is the one in its place after a shuffle; the box is cut off at the edges of the
    image, and labels are mixed by the area that was really pasted.

    Args:
        alpha: the share of the image that stays is drawn from Beta(alpha, alpha). Published: 1.
        probability: of mixing a batch at all. Published: 0.5 (CIFAR) and 1 (ImageNet).

    Raises:
        ValueError: a parameter is out of range.
    """

    paper = "https://arxiv.org/abs/1905.04899"
    soft_targets = True

    def __init__(self, *, alpha: float = 1.0, probability: float = 0.5) -> None:
        if alpha <= 0:
            raise ValueError(f"alpha: must be > 0, not {alpha}")
        if not 0 <= probability <= 1:
            raise ValueError(f"probability: must be in [0, 1], not {probability}")
        self.alpha = alpha
        self.probability = probability

    def generate(self, x: Tensor, ctx: Context) -> View:
        """Mixed images; their targets are rows of `ctx.target`, mixed.

        Raises:
            PluginError: there are no targets to mix.
        """
        if ctx.target is None:
            raise PluginError("CutMix mixes labels, and the task gives none in this slot; bind another slot")
        # All is drawn whether the batch is mixed or not, so that runs stay paired when `probability` changes.
        mixed = float(ctx.draws.uniform((1,))) < self.probability
        share = ctx.draws.beta(self.alpha, self.alpha)
        partner = send(ctx.draws.permutation(len(x)), x.device)
        box = draw_box(x.shape[2], x.shape[3], 1 - share, ctx.draws)
        rows = torch.arange(len(x), device=x.device)
        if not mixed:
            return View(x, rows, {"pasted": 0.0}, ctx.target)
        views, targets, pasted = paste(x, ctx.target, partner, box)
        return View(views, rows, {"pasted": pasted}, targets)


def draw_box(height: int, width: int, share: float, draws: Draws) -> PastedBox:
    """A box of about `share` of the image's area and of its shape, around a pixel drawn uniformly.

    Its sides are cut to whole pixels, then to even ones, and limited to the image, as released.
    """
    cut = []
    for length, place in zip((height, width), draws.uniform((2,)).tolist(), strict=True):
        half, centre = int(length * math.sqrt(share)) // 2, int(length * place)
        cut.append(slice(max(0, centre - half), min(length, centre + half)))
    return cut[0], cut[1]


def paste(x: Tensor, target: Tensor, partner: Tensor, box: PastedBox) -> tuple[Tensor, Tensor, float]:
    """Paste each image's box from its partner.

    Args:
        x: [B, C, H, W].
        target: float [B, K].
        partner: int64 [B], places in the batch.
        box: rows and columns.

    Returns:
        The images [B, C, H, W], their targets [B, K], and the share of the image that was pasted.
    """
    rows, columns = box
    out = x.clone()
    out[:, :, rows, columns] = x[partner, :, rows, columns]
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start) / (x.shape[2] * x.shape[3])
    return out, target * (1 - pasted) + target[partner] * pasted, pasted
