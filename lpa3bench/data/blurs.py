"""Blurs among the common corruptions; arguments as of `corruptions.Operation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lpa3bench.data.resampling import (
    border_index,
    filtered,
    gaussian_filtered,
    gaussian_weights,
    picked,
    zoomed,
)

if TYPE_CHECKING:
    from lpa3bench.runtime.seeding import Draws

_SMALL_DISC = 8


def defocus_blur(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """Under a disc, whose rim is blurred."""
    radius, sigma = constants
    reach, rim = (_SMALL_DISC, 1) if radius <= _SMALL_DISC else (int(radius), 2)
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    disc = (places[:, None] ** 2 + places**2 <= radius**2).double()
    weights = gaussian_weights(sigma, rim)
    blurred = filtered((disc / disc.sum())[None, None], weights[:, None] * weights, "mirror")
    return filtered(x, blurred[0, 0], "mirror")


def glass_blur(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """Pixels moved about nearby, between two Gaussian blurs.

    As in the release a pixel takes the value of a random neighbour, which keeps its own: there two colours
    are to be exchanged, but one is overwritten before it is read.
    """
    sigma, reach, times = constants[0], int(constants[1]), int(constants[2])
    x = (gaussian_filtered(x, sigma, "edge") * 255).floor() / 255
    count, _, height, width = x.shape
    rows, columns = (range(side - reach, reach, -1) for side in (height, width))
    if not rows or not columns:
        return gaussian_filtered(x, sigma, "edge")
    moves = draws.integers((times, len(rows), len(columns), count, 2), -reach, reach)
    every = torch.arange(count)
    x = x.clone()
    for round_ in moves:
        for row, along in zip(rows, round_, strict=True):
            for column, (across, down) in zip(columns, along.transpose(1, 2), strict=True):
                x[:, :, row, column] = x[every, :, row + down, column + across]
    return gaussian_filtered(x, sigma, "edge")


def motion_blur(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """Along a direction within 45° of the rows."""
    return moved(x, int(constants[0]), constants[1], draws.uniform((len(x),), -45, 45, like=x))


def moved(x: Tensor, radius: int, sigma: float, degrees: Tensor) -> Tensor:
    """The weighted sum of 2·radius + 1 images, each a pixel further; the weights fall as half a Gaussian.

    Args:
        degrees: [N], the direction of each image, from the rows to below.
    """
    height, width = x.shape[-2:]
    weights = gaussian_weights(sigma, 2 * radius)[2 * radius :]
    angle = torch.deg2rad(degrees)
    out, inside = torch.zeros_like(x), torch.ones_like(degrees)
    down, across = torch.arange(height)[:, None], torch.arange(width)
    for step, weight in enumerate((weights / weights.sum()).tolist()):
        rows, columns = (-torch.ceil(step * part - 0.5).long() for part in (angle.sin(), angle.cos()))
        inside = inside * ((rows.abs() < height) & (columns.abs() < width))  # then the sum has ended
        from_row = border_index(down - rows[:, None, None], height, "edge").expand(-1, -1, width)
        from_column = border_index(across - columns[:, None, None], width, "edge").expand(-1, height, -1)
        out += weight * inside[:, None, None, None] * picked(x, from_row, from_column)
    return out


def zoom_blur(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """The mean of the image and its enlargements."""
    factors = np.arange(1, *constants)
    return (x + sum(zoomed(x, float(factor)) for factor in factors)) / (len(factors) + 1)
