"""Counting floating-point operations changes nothing else."""

from __future__ import annotations

import pytest
import torch

from lpa3bench.training.operations import counted_operations


@pytest.mark.parametrize("leaf", [True, False], ids=["a leaf", "computed"])
def test_a_gradient_to_the_image_is_counted(leaf: bool) -> None:
    """Four rows through 3 × 2 weights: 4 · 3 · 2 multiplications and as many additions forward, and as many
    again backward to the image."""
    net = torch.nn.Sequential(torch.nn.Linear(3, 2)).requires_grad_(False)
    image = torch.ones(4, 3, requires_grad=True)
    with counted_operations() as counter:
        (gradient,) = torch.autograd.grad(net(image if leaf else image + 0).sum(), image)
    assert counter.get_total_flops() == 2 * (2 * 4 * 3 * 2)
    assert torch.equal(gradient, net[0].weight.sum(0).expand(4, 3))


def test_weights_are_counted_as_before() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    net, image = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten()), torch.ones(2, 1, 5, 5)
    with FlopCounterMode(display=False) as theirs:
        net(image).sum().backward()
    with counted_operations() as ours:
        net(image).sum().backward()
    assert ours.get_total_flops() == theirs.get_total_flops() > 0
