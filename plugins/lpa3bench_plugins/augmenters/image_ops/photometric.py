"""Operators that change values and leave pixels where they are, as Pillow computes them.

Images are uint8 [G, C, H, W]; `factor`, `bits` and so on are float32 [G, 1, 1, 1], one per image; the result
is a new uint8 [G, C, H, W], or, where equal values of a channel stay equal, a table of what becomes of each
value, float [G, C or 1, 256], ahead of `to_bytes`. Arithmetic is single precision in separate steps where
Pillow's is (fusing a multiplication with an addition would change a byte here and there), and whole numbers
where Pillow's is.

The *grey version* of an image is Pillow's luma for three channels and the mean over channels, rounded half
up, for any other number. An image with one channel is its own grey version, so it is treated as Pillow treats
mode L, and in the same way as three equal channels would be.

`x & mask` and `x ^ mask` stand where `torch.where` would be natural: on a CPU the latter goes byte by byte
and costs about ten times as much.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

RED, GREEN, BLUE = 19595, 38470, 7471
"""ITU-R 601-2 luma in 16-bit fixed point. Products and sums stay below 2²⁴, so float32 holds them exactly."""


def luma(red: int, green: int, blue: int) -> int:
    """The grey version of one colour."""
    return (RED * red + GREEN * green + BLUE * blue + (1 << 15)) >> 16


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """A blend of black (factor 0) and the image (1); factors beyond 1 brighten."""
    return to_bytes(images.float().mul_(factor))


def color(images: Tensor, factor: Tensor) -> Tensor:
    """A blend of the grey version (factor 0) and the image (1)."""
    x = images.float()
    return _blend(_grey(x), x, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """A blend of a constant (factor 0; the mean of the grey version, rounded half up) and the image (1)."""
    x = images.float()
    grey = _grey(x)
    # Row by row in float32, which is exact there, then in float64, which is exact for any image.
    total = grey.sum(3, keepdim=True).sum((1, 2), keepdim=True, dtype=torch.float64)
    pixels = grey.shape[2] * grey.shape[3]
    mean = total.add_(pixels / 2).div_(pixels, rounding_mode="floor").float()
    return _blend(mean, x, factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """A blend of the smoothed image (factor 0) and the image (1).

    Smoothed by a 3×3 kernel of ones with 5 in the centre, over 13, rounded half up; the outermost pixels have
    no full neighbourhood and stay as they are.
    """
    x = images.float()
    columns = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    centre = x[:, :, 1:-1, 1:-1]
    smooth = (columns[..., :-2] + columns[..., 1:-1]).add_(columns[..., 2:]).add_(centre, alpha=4)
    smooth.add_(6.5).div_(13).floor_()  # (2n + 13)/26 is never whole, so rounding is harmless
    result = images.clone()
    result[:, :, 1:-1, 1:-1] = _blend(smooth, centre, factor)
    return result


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest `bits` (1 … 8) bits of each value."""
    dropped = 8 - bits.int()
    return images & ((255 >> dropped) << dropped).to(torch.uint8)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert the values that are ≥ threshold."""
    return images ^ (images.float() >= threshold).to(torch.uint8).mul_(255)


def solarize_add(images: Tensor, amount: Tensor) -> Tensor:
    """Add a whole `amount` ≥ 0, limit to 255, then invert the values ≥ 128."""
    brighter = to_bytes(images + amount)
    return brighter ^ (brighter >> 7).mul_(255)


def invert(images: Tensor, _: Tensor) -> Tensor:
    """255 − value."""
    return images ^ 255


def auto_contrast(images: Tensor) -> Tensor:
    """Tables that stretch the range of values that occur to 0 … 255; a channel of one value is left alone.

    They are computed in double precision with a scale and an offset: where the exact result is whole, the
    rounding of these two decides between it and the integer below.
    """
    flat = images.flatten(2)
    low, high = flat.amin(2), flat.amax(2)  # of bytes, ten times as fast as aminmax
    scale, offset = _stretches(images.device)
    line = torch.add(high, low.int(), alpha=256).view(-1)
    table = _values(images.device) * scale.index_select(0, line)
    return table.add_(offset.index_select(0, line)).view(*images.shape[:2], 256)


@lru_cache(maxsize=8)
def _stretches(device: torch.device) -> tuple[Tensor, Tensor]:
    """Scale and offset of each range of values, float64 [256·256, 1]; that from l to h is in line 256·l + h.

    Looked up, as on a small batch each operation costs as much as what it does.
    """
    values = _values(device)
    low, high = values[:, None], values[None]
    # A tensor above the line, because torch works out number / tensor as number · (1 / tensor).
    scale = torch.full_like(values, 255) / (high - low).clamp_(min=1)
    # Where low is all there is, it is sent to itself: 255·low − 255·low + low.
    offset = (-low * scale).addcmul_(low, (high <= low).double())
    return scale.view(-1, 1), offset.view(-1, 1)


def equalize(images: Tensor) -> Tensor:
    """Tables that spread a channel's values so that all are about equally frequent.

    With h the histogram, step = (count of all but the brightest value that occurs) // 255; value
    v maps to (step // 2 + Σ_{w<v} h_w) // step, limited to 255. A channel with step 0 is left alone.
    """
    # Whole numbers in double precision: exact, and divided several times faster than integers.
    tables = images.shape[:2]
    count = _frequencies(_places(images, tables[1]), 256 * tables.numel()).view(*tables, 256)
    below = count.cumsum(2).sub_(count)
    others = below.gather(2, images.flatten(2).amax(2, keepdim=True).long())
    step = others.div_(255, rounding_mode="floor")
    table = below.add_(step.div(2, rounding_mode="floor")).div_(step.clamp(min=1)).floor_()
    return torch.where(step == 0, _values(images.device), table)


@lru_cache(maxsize=8)
def _values(device: torch.device) -> Tensor:
    """0 … 255, float64 [256]."""
    return torch.arange(256, dtype=torch.float64, device=device)


def to_bytes(values: Tensor) -> Tensor:
    """Limit to 0 … 255 and drop the fraction, in place: float [...] to uint8 [...]."""
    return values.clamp_(0, 255).to(torch.int16).to(torch.uint8)  # on a CPU faster than directly


def look_up(table: Tensor, images: Tensor) -> Tensor:
    """Send values through a table of their image, uint8 [G, 1, 256], or channel, uint8 [G, C, 256]."""
    return table.view(-1).index_select(0, _places(images, table.shape[1])).view_as(images)


def _places(images: Tensor, tables: int) -> Tensor:
    """Where each value stands in tables of 256 places, so many for each image: int32 [G·C·H·W].

    In one long table, as a CPU is twice as fast there as it is with a dimension to gather along.
    """
    return (images + _firsts(len(images), tables, images.device)).view(-1)


@lru_cache(maxsize=256)
def _firsts(images: int, tables: int, device: torch.device) -> Tensor:
    """Where each table begins: int32 [G, tables, 1, 1]."""
    first = torch.arange(0, 256 * tables * images, 256, dtype=torch.int32, device=device)
    return first.view(-1, tables, 1, 1)


def _frequencies(places: Tensor, size: int) -> Tensor:
    """How often each of 0 … size − 1 is among them: float64 [size]."""
    if places.device.type == "cpu":
        return places.bincount(minlength=size).double()
    one = torch.ones((), dtype=torch.float64, device=places.device)  # bincount would wait for the device
    return one.new_zeros(size).scatter_add_(0, places.long(), one.expand_as(places))


def _grey(x: Tensor) -> Tensor:
    """The grey version of float32 [G, C, H, W]: whole numbers, float32 [G, 1, H, W]."""
    channels = x.shape[1]
    if channels == 1:
        return x
    if channels != 3:
        total = x.sum(1, keepdim=True).long()
        return ((2 * total + channels) // (2 * channels)).float()
    grey = x[:, 0:1] * RED
    grey.add_(x[:, 1:2], alpha=GREEN).add_(x[:, 2:3], alpha=BLUE)
    return grey.add_(1 << 15).mul_(2**-16).floor_()


def _blend(low: Tensor, x: Tensor, factor: Tensor) -> Tensor:
    """trunc(low + factor·(x − low)), limited to bytes."""
    return to_bytes((x - low).mul_(factor).add_(low))
