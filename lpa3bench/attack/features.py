"""How far apart a network sees two images: LPIPS on its own features (paper, equation 3), and its gradient.

On small maps starting an operation takes longer than what it does: where the maps of all layers fit a CPU's
cache, each operation goes through all layers before the next. Larger ones are worked on layer by layer, some
images at a time. Neither changes a bit of the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from lpa3bench.ops import at_least_float32

FEATURE_EPSILON = 1e-10
"""Added to the norm of a feature vector, after the square root."""
CACHED = 2**18
"""Elements of feature maps that are worked on at once on a CPU."""


def _norm(feature: Tensor) -> Tensor:
    """Length of each channel vector: [B, C, H, W] → [B, 1, H, W]."""
    norm: Tensor = torch.linalg.vector_norm(feature, dim=1, keepdim=True)
    return norm


def _factor(norm: Tensor) -> Tensor:
    """What makes φ of a feature, from its `_norm`: 1/((‖f‖ + ε)√(HW))."""
    return 1 / ((norm + FEATURE_EPSILON) * math.sqrt(norm.shape[2] * norm.shape[3]))


def unit(features: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """φ (paper, equation 3), kept as one map per layer: [B, C_i, H_i, W_i] → the same.

    At each place the channel vector is divided by its norm (+1e-10), then by √(H_i·W_i), so that each
    layer's map has norm one, whatever the features' scale. A vector of zeros stays one.
    """
    return tuple(wide * _factor(_norm(wide)) for wide in map(at_least_float32, features))


def _blocks(*maps: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Maps [B, …] cut along B into pieces that a CPU's cache holds; as they are where they fit, and on other
    devices."""
    size = maps[0].shape[1:].numel()
    if maps[0].device.type != "cpu" or len(maps[0]) * size <= CACHED:
        return iter((maps,))
    return zip(*(torch.split(m, max(1, CACHED // size)) for m in maps), strict=True)


def _compared(features: Sequence[Tensor], reference: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
    """Of each layer: squared distance [B]; s and ⟨f, w⟩/(‖f‖(‖f‖ + ε)), [B, 1, H, W] (see `pulls`).

    A vector of zeros counts as infinitely long here: φ is zero all the same, and so are both numbers. One
    operation goes through all layers before the next: on small maps starting it takes longer than it does.
    """
    wide = [at_least_float32(f) for f in features]
    norms = [F.threshold(_norm(f), 0, math.inf, inplace=True) for f in wide]
    factors = torch._foreach_add(norms, FEATURE_EPSILON)
    torch._foreach_mul_(norms, factors)
    torch._foreach_mul_(factors, [math.sqrt(f.shape[2] * f.shape[3]) for f in wide])
    torch._foreach_reciprocal_(factors)
    gaps = torch._foreach_mul(wide, factors)
    torch._foreach_sub_(gaps, list(reference))
    # not vecdot, which autocast would do in half
    along = [product.sum(dim=1, keepdim=True) for product in torch._foreach_mul(wide, gaps)]
    torch._foreach_div_(along, norms)
    squared = [torch.linalg.vector_norm(gap, dim=(1, 2, 3)).square_() for gap in gaps]
    return list(zip(squared, factors, along, strict=True))


def apart_and_numbers(features: Sequence[Tensor], reference: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Σ ‖φ(f) − r‖² over the layers, [B], and what `pulls` needs to know."""
    if features[0].device.type == "cpu" and sum(f.numel() for f in features) <= CACHED:
        layers = _compared(features, reference)
    else:
        layers = []
        for feature, fixed in zip(features, reference, strict=True):
            parts = [_compared([f], [r])[0] for f, r in _blocks(feature, fixed)]
            layers.append(parts[0] if len(parts) == 1 else tuple(map(torch.cat, zip(*parts, strict=True))))
    total = layers[0][0]
    for squared, *_ in layers[1:]:
        total.add_(squared)
    return total, [number for _, *numbers in layers for number in numbers]


def pulls(
    features: Sequence[Tensor], reference: Sequence[Tensor], numbers: Sequence[Tensor], weight: Tensor
) -> list[Tensor]:
    """The gradient of Σ weight/2·squared distance, weight [B], to every feature.

    Args:
        numbers: of `apart_and_numbers`.

    With φ = s·f, s = 1/((‖f‖ + ε)√(HW)) and w = φ − r it is weight·s·(w − f·⟨f, w⟩/(‖f‖(‖f‖ + ε))). w was
    not kept: the gradient is a·f − b·r, with numbers a and b for each place.
    """
    factors, along = list(numbers[::2]), list(numbers[1::2])
    b = torch._foreach_mul(factors, [weight.view(-1, 1, 1, 1)] * len(factors))
    a = torch._foreach_sub(factors, along)
    torch._foreach_mul_(a, b)
    found = [torch.empty_like(f, dtype=s.dtype) for f, s in zip(features, factors, strict=True)]
    for layer in zip(features, reference, a, b, found, strict=True):
        for f, r, of_f, of_r, out in _blocks(*layer):
            torch.mul(at_least_float32(f), of_f, out=out).addcmul_(r, of_r, value=-1)
    return [pull.to(f.dtype) for pull, f in zip(found, features, strict=True)]


def pixels_apart(images: Sequence[Tensor], reference: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The mean of (x − r)² over an image's values, [B], and nothing else: `apart_and_numbers` in pixels."""
    return at_least_float32(images[0] - reference[0]).square().mean(dim=(1, 2, 3)), []


def pixel_pulls(
    images: Sequence[Tensor], reference: Sequence[Tensor], numbers: Sequence[Tensor], weight: Tensor
) -> list[Tensor]:
    """The gradient of Σ weight/2·`pixels_apart` to the images."""
    each = weight.view(-1, 1, 1, 1) / images[0][0].numel()
    return [((images[0] - reference[0]) * each).to(images[0].dtype)]


class _SquaredDistance(torch.autograd.Function):
    """Of the layers' maps f, then their r, [B, C, H, W] each → [B].

    Written by hand because autograd would keep, and walk back through, six maps of the layers' size where
    this one keeps none of its own, and because at a vector of zeros the gradient, which grows without bound
    as 1/‖f‖ towards it, is not a number; here it is zero (deviation: the released code returns NaN).
    """

    @staticmethod
    def forward(ctx: Any, *maps: Tensor) -> Tensor:
        layers = len(maps) // 2
        squared, numbers = apart_and_numbers(maps[:layers], maps[layers:])
        ctx.save_for_backward(*maps, *numbers)
        return squared

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved, layers = ctx.saved_tensors, len(ctx.saved_tensors) // 4
        features, reference, numbers = saved[:layers], saved[layers : 2 * layers], saved[2 * layers :]
        return *pulls(features, reference, numbers, 2 * grad), *(None for _ in reference)


def distance(features: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
    """‖φ(x') − φ(x)‖₂ per image (LPIPS on the network's own features; paper, equation 3).

    Args:
        features: of x', one map [B, C_i, H_i, W_i] per layer; gradients flow to these.
        reference: `unit` of the features of x; constants.

    Returns:
        float [B], from 0 to 2√layers. Its gradient at distance 0 is taken as 0.
    """
    squared: Tensor = _SquaredDistance.apply(*features, *reference)
    apart = squared > 0
    return torch.where(apart, torch.where(apart, squared, 1).sqrt(), 0)
