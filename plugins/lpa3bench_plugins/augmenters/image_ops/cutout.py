"""Cutout: a box of one colour at a random place (DeVries & Taylor 2017), in FixMatch's released form."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench_plugins.augmenters.image_ops.photometric import luma

Colour = tuple[int, int, int]
"""RGB, 0 … 255. Images without three channels get its luma in every channel."""


def boxes(centre: Tensor, side: Tensor) -> Tensor:
    """The boxes around drawn centres.

    Args:
        centre: float64 [G, 2], x in [0, width) and y in [0, height), in pixels.
        side: float64 [G], in pixels.

    Returns:
        int64 [G, 4]: first column, first row, last column, last row, **all included**. A box is therefore
        side + 1 pixels wide unless the right or lower edge cuts it off; there its far end may lie outside.
        The left and upper edges never cut it off: its corner is moved into the image first, and its far end
        counted from there.
    """
    corner = (centre - side[:, None] / 2).clamp_(min=0).trunc_()
    return torch.cat((corner, (corner + side[:, None]).trunc_()), dim=1).long()


def paint(images: Tensor, box: Tensor, colour: Colour) -> Tensor:
    """Paint a box into each image.

    Args:
        images: uint8 [G, C, H, W].
        box: int64 [G, 4] as `boxes` returns it.
        colour: of all boxes.

    Returns:
        uint8 [G, C, H, W].
    """
    left, top, right, bottom = box[:, :, None].unbind(1)
    column = torch.arange(images.shape[3], device=images.device)
    row = torch.arange(images.shape[2], device=images.device)
    columns = ((column >= left) & (column <= right)).to(torch.uint8).mul_(255)
    rows = ((row >= top) & (row <= bottom)).to(torch.uint8).mul_(255)
    mask = (rows[:, :, None] & columns[:, None, :])[:, None]  # bytes: a CPU is far slower with booleans
    values = colour if images.shape[1] == 3 else (luma(*colour),)
    inside = torch.tensor(values, dtype=torch.uint8).to(images.device, non_blocking=True)[:, None, None]
    return (images & ~mask).bitwise_or_(mask & inside)
