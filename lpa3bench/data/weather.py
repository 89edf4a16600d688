"""Weather among the common corruptions; arguments as of `corruptions.Operation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lpa3bench.data.blurs import moved
from lpa3bench.data.resampling import zoomed

if TYPE_CHECKING:
    from lpa3bench.runtime.seeding import Draws

_GREY = (0.299, 0.587, 0.114)
_ICE = (0.82, 0.93, 1.0)
"""How much of red, green and blue frost throws back."""


def plasma(x: Tensor, decay: float, draws: Draws) -> Tensor:
    """A fractal height map of each image by the diamond-square algorithm, [N, H, W] in [0, 1].

    Args:
        decay: by how much the noise shrinks from one scale to the next finer one.
    """
    height, width = x.shape[-2:]
    size = step = 1 << (max(height, width) - 1).bit_length()
    heights, wibble = x.new_zeros(len(x), size, size), 100.0

    def noisy(total: Tensor) -> Tensor:
        return total / 4 + wibble * draws.uniform(total.shape, -wibble, wibble, like=x)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        squares = corners + corners.roll(-1, 1)
        heights[:, half::step, half::step] = noisy(squares + squares.roll(-1, 2))
        middles, corners = heights[:, half::step, half::step], heights[:, ::step, ::step]
        heights[:, ::step, half::step] = noisy(middles + middles.roll(1, 1) + corners + corners.roll(-1, 2))
        heights[:, half::step, ::step] = noisy(middles + middles.roll(1, 2) + corners + corners.roll(-1, 1))
        step, wibble = half, wibble / decay
    heights = heights - heights.amin((1, 2), keepdim=True)
    return (heights / heights.amax((1, 2), keepdim=True).clamp(min=1e-12))[:, :height, :width]


def fog(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """A fractal cloud over the image, which stays as bright as its brightest pixel."""
    thickness, decay = constants
    brightest = x.amax((1, 2, 3), keepdim=True)
    return (x + thickness * plasma(x, decay, draws)[:, None]) * brightest / (brightest + thickness)


def frost(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """Ice needles over the image: ridges of a fine fractal on a coarse one. A *deviation*: the release lays
    parts of six photographs over it."""
    of_image, of_frost = constants
    ground, fine = plasma(x, 2.5, draws), plasma(x, 1.6, draws)
    needles = (1 - (2 * fine - 1).abs()) ** 3
    ice = (0.15 + 0.45 * ground + 0.5 * needles).clamp(0, 1)[:, None]
    tint = x.new_tensor(_ICE).view(1, 3, 1, 1) if x.shape[1] == 3 else 1.0
    return of_image * x + of_frost * ice * tint


def snow(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """Flakes blown along a steep direction, twice, over a paler image."""
    mean, std, zoom, threshold, radius, sigma, share = constants
    size = (len(x), 1, *x.shape[-2:])
    flakes = zoomed(draws.normal(size, like=x) * std + mean, zoom)
    flakes = torch.where(flakes < threshold, 0.0, flakes).clamp(0, 1)
    degrees = draws.uniform((len(x),), -135, -45, like=x)
    flakes = (moved(flakes, int(radius), sigma, degrees) * 255).round() / 255
    weights = x.new_tensor(_GREY).view(1, 3, 1, 1)
    grey = (x * weights).sum(1, keepdim=True) if x.shape[1] == 3 else x.mean(1, keepdim=True)
    pale = share * x + (1 - share) * torch.maximum(x, grey * 1.5 + 0.5)
    return pale + flakes + flakes.rot90(2, (2, 3))
