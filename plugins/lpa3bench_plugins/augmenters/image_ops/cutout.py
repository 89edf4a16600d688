"""Cutout: a box of one colour at a random place (DeVries & Taylor 2017), and FixMatch's form of it."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from lpa3bench.runtime.device import send
from lpa3bench_plugins.augmenters.image_ops.photometric import luma

Colour = tuple[int, int, int]
"""RGB, 0 … 255. Images without three channels get its luma in every channel."""


def boxes(centre: Tensor, side: Tensor | float) -> Tensor:
    """The boxes around drawn centres.

    Args:
        centre: float64 [G, 2], x in [0, width) and y in [0, height), in pixels.
        side: in pixels, float64 [G, 1] or one for all.

    Returns:
        int64 [G, 4]: first column, first row, last column, last row, **all included**. A box is therefore
        side + 1 pixels wide unless the right or lower edge cuts it off; there its far end may lie outside.
        The left and upper edges never cut it off: its corner is moved into the image first, and its far end
        counted from there.
    """
    corner = (centre - side / 2).clamp_(min=0).long()
    return torch.cat((corner, (corner + side).long()), dim=1)


def centred_boxes(centre: Tensor, side: int) -> Tensor:
    """The boxes of the original, `side` pixels wide around a drawn pixel and cut off at every edge.

    An even side has one pixel more to the left of the centre and above it, as released.

    Args:
        centre: float64 [G, 2], x in [0, width) and y in [0, height), in pixels; its pixel counts.
        side: in pixels.

    Returns:
        int64 [G, 4], as `boxes`; ends may lie outside the image.
    """
    corner = centre.floor().long() - side // 2
    return torch.cat((corner, corner + side - 1), dim=1)


def inside(box: Tensor, height: int, width: int) -> Tensor:
    """Which pixels lie in each image's box.

    Args:
        box: int64 [G, 4] as `boxes` returns it.

    Returns:
        uint8 [G, 1, H, W], 255 inside and 0 outside.
    """
    length = max(height, width)
    ends = (box + _past(box.device)).clamp_(0, length).view(-1)
    first, past = _beginnings(length, box.device).index_select(0, ends).view(-1, 2, 2, length).unbind(1)
    axes = first ^ past
    # Bytes: a CPU is far slower with booleans.
    return axes[:, 1, :height, None].bitwise_and(axes[:, 0, None, :width])[:, None]


@lru_cache(maxsize=8)
def _past(device: torch.device) -> Tensor:
    """From a box's last column and row to those after it: int64 [4]."""
    return torch.tensor((0, 0, 1, 1), device=device)


@lru_cache(maxsize=32)
def _beginnings(length: int, device: torch.device) -> Tensor:
    """uint8 [length + 1, length], of which row n is 255 in the first n places and 0 after."""
    return torch.full((length + 1, length), 255, dtype=torch.uint8, device=device).tril_(-1)


def paint(images: Tensor, box: Tensor, colour: Colour) -> Tensor:
    """Paint a box into each image.

    Args:
        images: uint8 [G, C, H, W].
        box: int64 [G, 4] as `boxes` returns it.
        colour: of all boxes.

    Returns:
        uint8 [G, C, H, W].
    """
    mask = inside(box, *images.shape[2:])
    shade = _shade(colour if images.shape[1] == 3 else (luma(*colour),), images.device)
    return (images ^ shade).bitwise_and_(mask).bitwise_xor_(images)


@lru_cache(maxsize=32)
def _shade(values: tuple[int, ...], device: torch.device) -> Tensor:
    """uint8 [C, 1, 1]."""
    return send(torch.tensor(values, dtype=torch.uint8), device)[:, None, None]
