"""Parameters frozen inside a block."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lpa3bench.nn.freeze import frozen


def network() -> nn.Sequential:
    """The first layer's bias is frozen for good."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 2 * 2, 3))
    model[0].bias.requires_grad = False
    return model


def flags(model: nn.Module) -> list[bool]:
    return [parameter.requires_grad for parameter in model.parameters()]


def test_freezes_inside_and_puts_back_what_was_before() -> None:
    model = network()
    before = flags(model)
    assert set(before) == {True, False}
    with frozen(model):
        assert not any(flags(model))
        with frozen(model):
            assert not any(flags(model))
        assert not any(flags(model))
    assert flags(model) == before


def test_puts_back_what_was_changed_inside() -> None:
    model = network()
    before = flags(model)
    with frozen(model):
        model[0].bias.requires_grad = True
    assert flags(model) == before


def test_puts_back_after_an_exception() -> None:
    model = network()
    before = flags(model)
    with pytest.raises(KeyError), frozen(model):
        raise KeyError
    assert flags(model) == before


def test_the_gradient_to_the_image_is_the_same_and_no_weight_gets_one() -> None:
    model = network().double()
    x = torch.rand((5, 3, 4, 4), dtype=torch.float64, requires_grad=True)
    (plain,) = torch.autograd.grad(model(x).square().sum(), x)
    with frozen(model):
        model(x).square().sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, plain)
    assert x.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_graph_recorded_before_the_block_still_trains() -> None:
    model = network()
    loss = model(torch.rand(5, 3, 4, 4)).square().sum()
    with frozen(model):
        model(torch.rand(5, 3, 4, 4))
    loss.backward()
    assert [parameter.grad is not None for parameter in model.parameters()] == flags(model)
