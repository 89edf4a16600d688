"""Cutout: a box of one colour at a random place (DeVries & Taylor 2017), in the released FixMatch form."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench_plugins.augmenters.image_ops.photometric import luma

Colour = tuple[int, int, int]
"""RGB, 0 … 255. Images without three channels get its luma in every channel."""


def boxes(centre: Tensor, side: Tensor, height: int, width: int) -> Tensor:
    """The boxes around drawn centres.

    Args:
        centre: float64 [B, 2], x in [0, width) and y in [0, height), in pixels.
        side: float64 [B], in pixels.
        height: of the images.
        width: of the images.

    Returns:
        int64 [B, 4]: first column, first row, last column, last row, **all included**. A box is therefore
        side + 1 pixels wide unless the right or lower edge cuts it off. It is never cut off at the left or
        top: its corner is moved into the image first and its far end counted from there.
    """
    first = (centre - side[:, None] / 2).clamp_(min=0).trunc_()
    last = (first + side[:, None]).trunc_()
    # The far end may lie one past the last pixel, or further: painting stops at the edge anyway.
    return torch.cat((first, last), dim=1).long()


def paint(images: Tensor, box: Tensor, colour: Colour) -> Tensor:
    """Paint a box into each image.

    Args:
        images: uint8 [G, C, H, W].
        box: int64 [G, 4] as `boxes` returns it.
        colour: of the box.

    Returns:
        uint8 [G, C, H, W].
    """
    left, top, right, bottom = box[:, :, None].unbind(1)
    column = torch.arange(images.shape[3], device=images.device)
    row = torch.arange(images.shape[2], device=images.device)
    columns = ((column >= left) & (column <= right)).to(torch.uint8).mul_(255)
    rows = ((row >= top) & (row <= bottom)).to(torch.uint8).mul_(255)
    mask = (rows[:, :, None] & columns[:, None, :])[:, None]
    values = colour if images.shape[1] == 3 else (luma(*colour),)
    paint_ = torch.tensor(values, dtype=torch.uint8).to(images.device, non_blocking=True)[:, None, None]
    return (images & ~mask).bitwise_or_(mask & paint_)
