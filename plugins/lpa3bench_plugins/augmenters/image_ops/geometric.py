"""Operators that move pixels: nearest neighbour, same size, black where the image has nothing.

Each is an affine map from output to input positions. Pillow works it out in fixed point, which settles which
pixel is nearest where two are equally near: each coefficient, and the input position of the centre of the top
left output pixel, is rounded to the nearest multiple of 2⁻¹⁶ (half up); all other positions are built from
these by whole multiples, and the floor is taken at the end. The coefficients are worked out on the host, the
rest is one integer gather that images with different operators share.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ONE = 1 << 16

Matrix = tuple[int, int, int, int, int, int]
"""a, b, c, d, e, f in units of 2⁻¹⁶: output pixel (column, row) reads input column (a·column + b·row + c) and
row (d·column + e·row + f), the floor of each."""


def fixed_point(a: float, b: float, c: float, d: float, e: float, f: float) -> Matrix:
    """The map x ← a·x + b·y + c, y ← d·x + e·y + f of pixel centres, as `warp` wants it."""
    offsets = (c + a * 0.5 + b * 0.5, f + d * 0.5 + e * 0.5)
    a_, b_, c_, d_, e_, f_ = (math.floor(v * ONE + 0.5) for v in (a, b, offsets[0], d, e, offsets[1]))
    return a_, b_, c_, d_, e_, f_


def shear_x(amount: float, height: int, width: int) -> Matrix:
    """Output (x, y) reads (x + amount·y, y)."""
    return fixed_point(1, amount, 0, 0, 1, 0)


def shear_y(amount: float, height: int, width: int) -> Matrix:
    """Output (x, y) reads (x, y + amount·x)."""
    return fixed_point(1, 0, 0, amount, 1, 0)


def translate_x(pixels: float, height: int, width: int) -> Matrix:
    """Output (x, y) reads (x + pixels, y); a fraction of a pixel counts."""
    return fixed_point(1, 0, pixels, 0, 1, 0)


def translate_y(pixels: float, height: int, width: int) -> Matrix:
    """Output (x, y) reads (x, y + pixels); a fraction of a pixel counts."""
    return fixed_point(1, 0, 0, 0, 1, pixels)


def translate_x_relative(share: float, height: int, width: int) -> Matrix:
    """Output (x, y) reads (x + t, y), t = share·width cut to a whole number."""
    return translate_x(math.trunc(share * width), height, width)


def translate_y_relative(share: float, height: int, width: int) -> Matrix:
    """Output (x, y) reads (x, y + t), t = share·height cut to a whole number."""
    return translate_y(math.trunc(share * height), height, width)


def rotate(degrees: float, height: int, width: int) -> Matrix:
    """Rotate counter-clockwise about the centre."""
    angle = -math.radians(degrees % 360)
    cos, sin = round(math.cos(angle), 15), round(math.sin(angle), 15)
    x, y = width / 2, height / 2
    return fixed_point(cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y)


def warp(images: Tensor, matrix: Tensor) -> Tensor:
    """Move the pixels of each image by a map of its own.

    Args:
        images: uint8 [G, C, H, W].
        matrix: int64 [G, 6], one `Matrix` per image.

    Returns:
        uint8 [G, C, H, W].
    """
    return move(images, sources(matrix, *images.shape[-2:]))


def sources(matrix: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel is read, as `move` wants it.

    A black frame of one pixel stands for everything outside; positions are counted from its corner.

    Args:
        matrix: int64 [G, 6], one `Matrix` per image.
        height, width: of the images.

    Returns:
        int32 or int64 [G, H·W], places in the framed image.
    """
    small = max(height, width) < 1 << 12  # positions then fit 32 bits, which a CPU handles twice as fast
    a, b, c, d, e, f = matrix.to(torch.int32 if small else torch.int64)[:, :, None, None].unbind(1)
    column = torch.arange(width, device=matrix.device, dtype=a.dtype)
    row = torch.arange(height, device=matrix.device, dtype=a.dtype)[:, None]
    x = ((a * column + c + ONE) + b * row).bitwise_right_shift_(16).clamp_(0, width + 1)
    y = ((d * column + f + ONE) + e * row).bitwise_right_shift_(16).clamp_(0, height + 1)
    return y.mul_(width + 2).add_(x).flatten(1)


def move(images: Tensor, sources: Tensor) -> Tensor:
    """Read each pixel elsewhere.

    Args:
        images: uint8 [G, C, H, W].
        sources: int32 or int64 [G, H·W], places in the image with a black frame of one pixel around it.

    Returns:
        uint8 [G, C, H, W].
    """
    place = sources.long()[:, None].expand(-1, images.shape[1], -1)
    return F.pad(images, (1, 1, 1, 1)).flatten(2).gather(2, place).view_as(images)
