"""Cutout (DeVries & Taylor, 2017): a box of one colour at a random place of every image."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Context, DatasetSpec, Slot, View
from lpa3bench.runtime.device import send
from lpa3bench_plugins.augmenters.image_ops import cutout

GREY = 127 / 255


class Cutout(Augmenter):
    """Hides a box of every image, at a place of its own.

    Args:
        side: of the box, in pixels; None: half the shorter side of the image. Published: 16 (CIFAR-10) and 8
            (CIFAR-100) on 32-pixel images.
        box: "centred": as first released, around a drawn pixel and cut off at every edge of the image, so
            that boxes near an edge are smaller; "fixmatch": as FixMatch's released code has it, one pixel
            wider and cut off at the right and lower edges only (see `image_ops.cutout.boxes`).
        fill: "mean", the data set's mean colour, which is the zero of the normalised image that the original
            fills with; "grey": 127 of 255, as in FixMatch.

    The released code makes a box of odd side one pixel smaller; here it has the side it is given.

    Raises:
        ValueError: a parameter is out of range.
    """

    paper = "https://arxiv.org/abs/1708.04552"

    def __init__(
        self,
        *,
        side: int | None = None,
        box: Literal["centred", "fixmatch"] = "centred",
        fill: Literal["mean", "grey"] = "mean",
    ) -> None:
        if side is not None and side < 1:
            raise ValueError(f"side: must be >= 1, not {side}")
        if box not in ("centred", "fixmatch"):
            raise ValueError(f"box: must be 'centred' or 'fixmatch', not {box!r}")
        if fill not in ("mean", "grey"):
            raise ValueError(f"fill: must be 'mean' or 'grey', not {fill!r}")
        self.side = side
        self.box = box
        self.fill = fill

    def unsupported(self, spec: DatasetSpec, slot: Slot) -> str | None:
        """A box as large as the image leaves nothing to learn from."""
        size = spec.weak.crop or spec.size
        if self.side is None or self.side < size:
            return None
        return f"a box of {self.side} pixels hides images of {size}×{size}; leave Cutout.side at None"

    def unshared(self) -> str | None:
        """Places are drawn image by image."""
        return None

    def generate(self, x: Tensor, ctx: Context) -> View:
        height, width = x.shape[2:]
        side = min(height, width) // 2 if self.side is None else self.side
        centre = ctx.draws.uniform((len(x), 2)).double() * torch.tensor([width, height])
        box = (cutout.centred_boxes if self.box == "centred" else cutout.boxes)(centre, side)
        hidden = cutout.inside(send(box, x.device), height, width).bool()
        colour = torch.tensor(ctx.spec.mean if self.fill == "mean" else GREY, dtype=x.dtype)
        colour = send(colour, x.device).view(-1, 1, 1)
        return View(torch.where(hidden, colour, x), torch.arange(len(x), device=x.device))
