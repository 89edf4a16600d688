from __future__ import annotations

import pytest
import torch

from lpa3bench.nn.normalisation import normalise


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_to_the_bit_in_any_layout(layout: torch.memory_format, channels: int, dtype: torch.dtype) -> None:
    x = torch.rand(5, channels, 6, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    x = x.contiguous(memory_format=layout)
    mean, std = (torch.linspace(*ends, channels).view(-1, 1, 1) for ends in ((0.4, 0.5), (0.2, 0.3)))
    z = normalise(x, mean, std)
    assert torch.equal(z, (x - mean) / std)
    assert z.stride() == x.stride()


def test_gradients_reach_the_image() -> None:
    x = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last).requires_grad_()
    normalise(x, torch.zeros(3, 1, 1), torch.full((3, 1, 1), 0.25)).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.full((2, 3, 4, 4), 4.0))


def test_a_part_of_a_batch_that_is_in_no_common_layout() -> None:
    x = torch.rand(2, 3, 8, 8)[:, :, ::2, 1::2]
    mean, std = torch.full((3, 1, 1), 0.5), torch.full((3, 1, 1), 0.3)
    assert torch.equal(normalise(x, mean, std), (x - mean) / std)
