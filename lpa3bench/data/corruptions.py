"""The fifteen common corruptions (Hendrycks & Dietterich, ICLR 2019), on batches of grey or colour images.

Written after what the paper's code computes, and checked against it (`tests/golden/P_corruptions.npz`).
*Deviations*: `frost` lays a made-up pattern over the image, where the release has photographs that we may not
ship; `motion_blur` and the motion of `snow` are the sum of shifted images of `imagecorruptions`, where the
release calls ImageMagick; random numbers are ours, so that images are the same on every machine.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lpa3bench.data.blurs import defocus_blur, glass_blur, motion_blur, zoom_blur
from lpa3bench.data.resampling import bilinear, gaussian_filtered
from lpa3bench.data.severities import strengths_of
from lpa3bench.data.weather import fog, frost, snow
from lpa3bench.runtime.seeding import Draws, derive
from lpa3bench.types import Corruption

Operation = Callable[[Tensor, tuple[float, ...], Draws], Tensor]
"""From images, float64 [N, C, H, W] in [0, 1], and the constants of a severity to images, to be clipped."""
_AT_ONCE = 2**21
"""Numbers of a batch."""


def corrupted(images: Tensor, kind: Corruption, severity: int, *, seed: int = 0) -> Tensor:
    """The images under a corruption, as bytes cut off and not rounded, as the released sets are.

    The same images, kind, severity and seed make the same bytes.

    Args:
        images: uint8 [N, C, S, S], of any C and S.
        severity: 1 to 5; the constants are those of CIFAR-C, from a side of 64 on those of ImageNet-C.

    Returns:
        uint8 [N, C, S, S], on the CPU.
    """
    constants = strengths_of(images.shape[-1])[1][kind][severity - 1]
    draws = Draws(derive(seed, "corruption", kind, str(severity)))
    operation = OPERATIONS[kind]
    parts = torch.split(images.cpu(), max(1, _AT_ONCE // max(1, images[:1].numel())))
    return torch.cat([_bytes(operation(part.double() / 255, constants, draws)) for part in parts])


def _bytes(x: Tensor) -> Tensor:
    return (x.clamp(0, 1) * 255).to(torch.uint8)


def _gaussian_noise(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    (std,) = constants
    return x + draws.normal(x.shape, like=x) * std


def _shot_noise(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """Poisson counts of the photons; each from one uniform draw, through the distribution function."""
    (photons,) = constants
    uniform, count = draws.uniform(x.shape, like=x).flatten(), torch.zeros_like(x).flatten()
    values, level = torch.unique(x, return_inverse=True)
    level = level.flatten()
    order = level.argsort()
    for value, places in zip(values.tolist(), torch.split(order, level.bincount().tolist()), strict=True):
        count[places] = _poisson(uniform[places], value * photons)
    return count.view_as(x) / photons


def _poisson(uniform: Tensor, mean: float) -> Tensor:
    """The Poisson quantiles."""
    if mean == 0:
        return torch.zeros_like(uniform)
    counts = torch.arange(int(mean + 10 * mean**0.5) + 20, dtype=torch.float64)
    density = torch.exp(counts * np.log(mean) - mean - torch.lgamma(counts + 1))
    return torch.searchsorted(density.cumsum(0), uniform).clamp(max=len(counts) - 1).to(uniform)


def _impulse_noise(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """Salt and pepper, of each channel apart."""
    (share,) = constants
    hit = draws.uniform(x.shape, like=x) <= share
    salt = draws.uniform(x.shape, like=x) <= 0.5
    return torch.where(hit, salt.to(x), x)


def _brightness(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """More of the value of HSV, hue and saturation as they are: channels by one factor; black gets grey."""
    (more,) = constants
    value = x.amax(1, keepdim=True)
    brighter = (value + more).clamp(max=1)
    return torch.where(value > 0, x * (brighter / value.clamp(min=1e-9)), brighter)


def _contrast(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """Towards the mean of each channel."""
    (factor,) = constants
    means = x.mean((2, 3), keepdim=True)
    return (x - means) * factor + means


def _elastic_transform(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """A random affine map of three points, then a smooth random displacement."""
    count, _, height, width = x.shape
    side = min(height, width)
    length, sigma, reach = (constant * side for constant in constants)
    grid = torch.meshgrid(*(torch.arange(n, dtype=x.dtype) for n in (height, width)), indexing="ij")
    center, square = torch.tensor([width // 2, height // 2], dtype=x.dtype), side // 3
    corners = center + square * torch.tensor([[1, 1], [1, -1], [-1, -1]], dtype=x.dtype)
    moved = corners + draws.uniform((count, 3, 2), -reach, reach, like=x)
    # What lies at (x, y) comes from where the map of the moved corners onto the corners puts it.
    ones = torch.ones_like(moved[..., :1])
    back = torch.linalg.solve(torch.cat((moved, ones), 2), corners.expand(count, 3, 2))  # [N, 3, 2]
    places = torch.stack((grid[1], grid[0], torch.ones_like(grid[0])), 2) @ back[:, None]  # [N, H, W, 2]
    x = bilinear(x, places[..., 1], places[..., 0], "mirror")
    if length == 0:
        return x
    noise = draws.uniform((count, 2, height, width), -1, 1, like=x)
    across, down = (gaussian_filtered(noise, sigma, "symmetric", truncate=3) * length).unbind(1)
    return bilinear(x, grid[0] + down, grid[1] + across, "symmetric")


def _pixelate(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    """Fewer pixels, by means over boxes."""
    (share,) = constants
    height, width = x.shape[-2:]
    few = max(1, int(width * share)), max(1, int(height * share))

    def fewer(picture: Image.Image) -> Image.Image:
        box = Image.Resampling.BOX
        return picture.resize(few, box).resize((width, height), box)

    return _by_pillow(x, fewer)


def _jpeg_compression(x: Tensor, constants: tuple[float, ...], draws: Draws) -> Tensor:
    (quality,) = constants

    def compressed(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(quality))
        return Image.open(file)

    return _by_pillow(x, compressed)


def _by_pillow(x: Tensor, operation: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Three channels are an RGB image, any other number as many grey ones."""
    pixels = (x * 255).round().to(torch.uint8)
    if x.shape[1] == 3:
        arrays = pixels.permute(0, 2, 3, 1).contiguous().numpy()
    else:
        arrays = pixels.flatten(0, 1).numpy()
    made = torch.from_numpy(np.stack([np.asarray(operation(Image.fromarray(array))) for array in arrays]))
    made = made.permute(0, 3, 1, 2) if x.shape[1] == 3 else made.view(x.shape)
    return made.to(x) / 255


OPERATIONS: Mapping[Corruption, Operation] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "defocus_blur": defocus_blur,
    "glass_blur": glass_blur,
    "motion_blur": motion_blur,
    "zoom_blur": zoom_blur,
    "snow": snow,
    "frost": frost,
    "fog": fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic_transform": _elastic_transform,
    "pixelate": _pixelate,
    "jpeg_compression": _jpeg_compression,
}
