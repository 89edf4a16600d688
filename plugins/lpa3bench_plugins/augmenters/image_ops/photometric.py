"""Operators that change values and leave pixels where they are, as Pillow computes them.

Images are uint8 [G, C, H, W]; `factor`, `bits` and so on are float32 [G, 1, 1, 1], one per image; the result
is a new uint8 [G, C, H, W]. Arithmetic is single precision in separate steps where Pillow's is (fusing a
multiplication with an addition would change a byte here and there), and whole numbers where Pillow's is.

The *grey version* of an image is Pillow's luma for three channels and the mean over channels, rounded half
up, for any other number. An image with one channel is its own grey version, so it is treated as Pillow treats
mode L, and in the same way as three equal channels would be.

`x & mask` and `x ^ mask` stand where `torch.where` would be natural: on a CPU the latter goes byte by byte
and costs about ten times as much.
"""

from __future__ import annotations

import torch
from torch import Tensor

RED, GREEN, BLUE = 19595, 38470, 7471
"""ITU-R 601-2 luma in 16-bit fixed point. Products and sums stay below 2²⁴, so float32 holds them exactly."""


def luma(red: int, green: int, blue: int) -> int:
    """The grey version of one colour."""
    return (RED * red + GREEN * green + BLUE * blue + (1 << 15)) >> 16


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """A blend of black (factor 0) and the image (1); factors beyond 1 brighten."""
    return _to_bytes(images * factor)


def color(images: Tensor, factor: Tensor) -> Tensor:
    """A blend of the grey version (factor 0) and the image (1)."""
    return _blend(_grey(images), images, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """A blend of a constant grey (factor 0) and the image (1): the mean of the grey version, rounded half up."""
    grey = _grey(images)
    pixels = grey[0].numel()
    total = grey.sum((1, 2, 3), keepdim=True, dtype=torch.float64).long()
    return _blend(((2 * total + pixels) // (2 * pixels)).float(), images, factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """A blend of the smoothed image (factor 0) and the image (1).

    Smoothed by a 3×3 kernel of ones with 5 in the centre, over 13, rounded half up; the outermost pixels have
    no full neighbourhood and stay as they are.
    """
    x = images.float()
    columns = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    centre = x[:, :, 1:-1, 1:-1]
    smooth = (columns[..., :-2] + columns[..., 1:-1]).add_(columns[..., 2:]).add_(centre, alpha=4)
    smooth.add_(6.5).div_(13).floor_()  # the sum is whole, so no quotient falls on an integer by rounding
    result = images.clone()
    result[:, :, 1:-1, 1:-1] = _blend(smooth, centre, factor)
    return result


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest `bits` (1 … 8) bits of each value."""
    dropped = 8 - bits.int()
    return images & ((255 >> dropped) << dropped).to(torch.uint8)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert the values that are ≥ threshold."""
    return images ^ (images >= threshold).to(torch.uint8).mul_(255)


def solarize_add(images: Tensor, amount: Tensor) -> Tensor:
    """Add a whole `amount` ≥ 0, limit to 255, then invert the values ≥ 128."""
    brighter = (images + amount).clamp_(max=255).to(torch.uint8)
    return brighter ^ (brighter >> 7).mul_(255)


def invert(images: Tensor, _: Tensor) -> Tensor:
    """255 − value."""
    return images ^ 255


def auto_contrast(images: Tensor, _: Tensor) -> Tensor:
    """Per channel, stretch the range of values that occur to 0 … 255; a channel of one value is left alone.

    The table is computed in double precision with a scale and an offset: where the exact result is whole, the
    rounding of these two decides between it and the integer below.
    """
    flat = images.flatten(2)
    low = flat.amin(2, keepdim=True).double()
    high = flat.amax(2, keepdim=True).double()
    # Infinite for a channel of one value, which the last line puts right. A tensor above the line, because
    # torch works out number / tensor as number · (1 / tensor).
    scale = torch.full_like(low, 255) / (high - low)
    table = torch.arange(256, device=images.device) * scale + (-low * scale)
    table = table.nan_to_num_(0).clamp_(0, 255).to(torch.uint8)
    return _look_up(table, images, kept=high <= low)


def equalize(images: Tensor, _: Tensor) -> Tensor:
    """Per channel, spread the values so that all are about equally frequent.

    With h the histogram and n the pixels, step = (n − count of the brightest value that occurs) // 255; value
    v maps to (step // 2 + Σ_{w<v} h_w) // step, limited to 255. A channel with step 0 is left alone.
    """
    flat = images.flatten(2).long()
    count = torch.zeros((*flat.shape[:2], 256), dtype=torch.int64, device=images.device)
    count.scatter_add_(2, flat, torch.ones((), dtype=torch.int64, device=images.device).expand_as(flat))
    brightest = count.gather(2, flat.amax(2, keepdim=True))
    step = (flat.shape[2] - brightest) // 255
    below = count.cumsum(2) - count
    table = ((step // 2 + below) // step.clamp(min=1)).clamp_(max=255).to(torch.uint8)
    return _look_up(table, images, kept=step == 0)


def _look_up(table: Tensor, images: Tensor, *, kept: Tensor) -> Tensor:
    """Send every value through its channel's table, uint8 [G, C, 256], but for the channels `kept`: [G, C, 1]."""
    table = torch.where(kept, torch.arange(256, dtype=torch.uint8, device=table.device), table)
    return table.gather(2, images.flatten(2).long()).view_as(images)


def _grey(images: Tensor) -> Tensor:
    """The grey version: whole numbers in float32 [G, 1, H, W]."""
    x = images.float()
    channels = images.shape[1]
    if channels == 1:
        return x
    if channels != 3:
        total = images.sum(1, keepdim=True, dtype=torch.int64)
        return ((2 * total + channels) // (2 * channels)).float()
    grey = x[:, 0:1] * RED
    grey.add_(x[:, 1:2], alpha=GREEN).add_(x[:, 2:3], alpha=BLUE)
    return grey.add_(1 << 15).mul_(2**-16).floor_()


def _blend(low: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    """trunc(low + factor·(images − low)), limited to bytes."""
    return _to_bytes((images - low).mul_(factor).add_(low))


def _to_bytes(values: Tensor) -> Tensor:
    return values.clamp_(0, 255).to(torch.uint8)
