"""Controls of LP-A3's search: what is left of it without the features, and without its direction."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lpa3bench import attack
from lpa3bench.api import Output
from lpa3bench.attack.features import pixel_pulls, pixels_apart

MEAN, STD = torch.full((3, 1, 1), 0.5), torch.full((3, 1, 1), 0.25)
BOX = attack.Box.of(MEAN, STD)


class Net(nn.Module):
    """A head alone: no features to measure by."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(48, 5)

    def forward(self, z: Tensor) -> Output:
        return Output(self.head(z.flatten(1)), ())


def length(delta: Tensor) -> Tensor:
    """[B]"""
    return delta.flatten(1).norm(dim=1)


def images(count: int = 6) -> Tensor:
    """Half of the values at one of the limits, as those of handwritten digits are."""
    x = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 0.5
    return x.clamp(0, 1)


def traced(x: Tensor, **options: Any) -> tuple[Tensor, list[attack.Iteration]]:
    """The start noise and the iterations of a search in pixels."""
    net, z = Net().requires_grad_(False), (x - MEAN) / STD
    noise = torch.empty_like(z).uniform_(-0.01, 0.01, generator=torch.Generator().manual_seed(2))
    chosen = attack.Options(distance="pixels", **options)
    with torch.no_grad():
        reference = attack.make_reference(net(z), images=z)
    start = attack.begin(noise, z, BOX)
    return start, [*attack.trace(net, z, start, reference, box=BOX, options=chosen)]


def test_in_pixels_it_goes_straight_away_from_the_image() -> None:
    """While the label is out of danger."""
    start, (first, *_) = traced(images() * 0.5 + 0.25, iterations=2, margin=float("inf"), step_size=0.1)
    assert torch.allclose(first.distance, start.square().mean((1, 2, 3)).sqrt())
    along = torch.cosine_similarity(first.delta.flatten(1), start.flatten(1))
    assert torch.allclose(along, torch.ones(6), atol=1e-5)
    assert (length(first.delta) > 2 * length(start)).all()


def test_the_pull_in_pixels_is_the_gradient_of_the_distance() -> None:
    generator = torch.Generator().manual_seed(4)
    x, reference = (torch.randn(2, 3, 4, 4, generator=generator) for _ in range(2))
    weight = torch.tensor([0.5, 3.0])
    squared, numbers = pixels_apart([x.requires_grad_()], [reference])
    (expected,) = torch.autograd.grad((weight / 2 * squared).sum(), x)
    (pull,) = pixel_pulls([x], [reference], numbers, weight)
    torch.testing.assert_close(pull, expected)


def test_in_pixels_the_label_is_preserved_as_ever() -> None:
    _, free = traced(images(), iterations=8, margin=float("inf"), step_size=0.2)
    _, held = traced(images(), iterations=8, margin=0.01, step_size=0.2, lam=100.0)
    assert held[-1].gap.mean() < free[-1].gap.mean() / 2


def test_another_direction_is_as_long_and_keeps_the_image_one() -> None:
    x = images()
    z = (x - MEAN) / STD
    generator = torch.Generator().manual_seed(3)
    delta = BOX.clamp(torch.randn(z.shape, generator=generator) * 0.3, z)
    direction = torch.randn(z.shape, generator=generator)
    turned = attack.redirected(delta, direction, BOX.around(z))
    assert torch.equal(turned, BOX.clamp(turned, z))
    assert torch.allclose(length(turned), length(delta), rtol=1e-3)
    assert torch.cosine_similarity(turned.flatten(1), delta.flatten(1)).mean() < 0.5
    assert (turned[x == 0] > 0).all(), "not a value stands still because its image is at the limit"
    assert (turned[x == 1] < 0).all()
    nothing = attack.redirected(torch.zeros_like(delta), direction, BOX.around(z))
    assert (nothing == 0).all()


def test_an_unknown_distance_is_refused() -> None:
    with pytest.raises(ValueError, match="distance: must be 'features' or 'pixels', not 'l2'"):
        attack.Options(distance="l2")  # type: ignore[arg-type]
