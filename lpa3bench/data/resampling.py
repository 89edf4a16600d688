"""Filters and resampling of batches of images, by which `corruptions` works; exact in float64.

x: [N, C, H, W], or [N, H, W] where it says so.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Border = Literal["edge", "mirror", "symmetric"]
"""What stands beyond the image `a b c`: `c c c`, `b a` (without the last pixel), or `c b a`."""


def border_index(places: Tensor, n: int, border: Border) -> Tensor:
    """The pixel of 0 … n−1 that stands at each place, however far outside that is."""
    if border == "edge" or n == 1:
        return places.clamp(0, n - 1)
    last = 2 * n - (1 if border == "symmetric" else 2)
    folded = places.remainder(2 * n if border == "symmetric" else 2 * n - 2)
    return torch.where(folded < n, folded, last - folded)


def filtered(x: Tensor, kernel: Tensor, border: Border) -> Tensor:
    """The images under one kernel [h, w] of odd sides (a correlation)."""
    n, channels, height, width = x.shape
    up, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    rows = border_index(torch.arange(-up, height + up), height, border)
    columns = border_index(torch.arange(-left, width + left), width, border)
    padded = x[:, :, rows][:, :, :, columns].view(n * channels, 1, len(rows), len(columns))
    return functional.conv2d(padded, kernel.to(x)[None, None]).view(n, channels, height, width)


def gaussian_weights(sigma: float, radius: int) -> Tensor:
    """float64 [2·radius + 1], of sum 1."""
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (places / sigma) ** 2)
    return weights / weights.sum()


def gaussian_filtered(x: Tensor, sigma: float, border: Border, *, truncate: float = 4.0) -> Tensor:
    """As `scipy.ndimage.gaussian_filter` over the sides, cut off after `truncate` standard deviations."""
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return x
    weights = gaussian_weights(sigma, radius)
    return filtered(filtered(x, weights[:, None], border), weights[None, :], border)


def zoomed(x: Tensor, factor: float) -> Tensor:
    """The middle of the images, enlarged to their size: bilinear, corner on corner."""
    height, width = x.shape[-2:]
    crop = math.ceil(height / factor), math.ceil(width / factor)
    top, left = (height - crop[0]) // 2, (width - crop[1]) // 2
    middle = x[..., top : top + crop[0], left : left + crop[1]]
    size = [round(side * factor) for side in crop]
    large = functional.interpolate(middle, size, mode="bilinear", align_corners=True)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return large[..., top : top + height, left : left + width]


def bilinear(x: Tensor, rows: Tensor, columns: Tensor, border: Border) -> Tensor:
    """The images at these places.

    Args:
        rows: [N, H', W'], of the same kind as x.
        columns: likewise.
    """
    height, width = x.shape[-2:]
    top, left = rows.floor(), columns.floor()
    down, right = (rows - top)[:, None], (columns - left)[:, None]
    above, below = (border_index(top.long() + step, height, border) for step in (0, 1))
    before, after = (border_index(left.long() + step, width, border) for step in (0, 1))
    upper = picked(x, above, before) * (1 - right) + picked(x, above, after) * right
    lower = picked(x, below, before) * (1 - right) + picked(x, below, after) * right
    return upper * (1 - down) + lower * down


def picked(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The pixels at these places, [N, C, H', W'].

    Args:
        rows: int64 [N, H', W'].
        columns: likewise.
    """
    n, channels, _, width = x.shape
    flat = (rows * width + columns).view(n, 1, -1).expand(-1, channels, -1)
    return x.flatten(2).gather(2, flat).view(n, channels, *rows.shape[1:])
