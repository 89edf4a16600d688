"""The distance's ways through memory. Its formula and gradient are in test_attack.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lpa3bench.attack import features

SHAPES = ((7, 16, 8, 8), (7, 32, 4, 4), (7, 5, 3, 2))


def maps(seed: int, dtype: torch.dtype, layout: torch.memory_format) -> list[Tensor]:
    """Of all layers; some vectors are zero."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(shape, generator=generator) for shape in SHAPES]
    return [(f * (f[:, :1] > -1)).to(dtype).contiguous(memory_format=layout) for f in drawn]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_layers_at_once_and_some_images_at_a_time_give_the_same_bits(
    dtype: torch.dtype, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = features.unit(maps(1, dtype, layout))
    found = []
    for cached in (2**18, 3000, 0):  # all layers at once; a few images at a time; one by one
        monkeypatch.setattr(features, "CACHED", cached)
        moving = [f.requires_grad_() for f in maps(0, dtype, layout)]
        apart = features.distance(moving, reference)
        found.append([apart.detach(), *torch.autograd.grad(apart.sum(), moving)])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))
