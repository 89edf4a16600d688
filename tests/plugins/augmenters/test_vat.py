"""What VAT promises of any network; its numbers are golden file M's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lpa3bench.api import Context, Output
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.vat import VAT

MEAN, STD = torch.tensor([0.5]).view(1, 1, 1), torch.tensor([0.25]).view(1, 1, 1)


class Net(nn.Module):
    mean, std = MEAN, STD

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(16, 3)

    def normalise(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def from_normalised(self, z: Tensor) -> Output:
        return Output(self.head(z.flatten(1)), ())


X = 0.3 + 0.4 * torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def viewed(seed: int = 0, **options: Any) -> Any:
    net = Net().requires_grad_(False)
    ctx = SimpleNamespace(model=net, draws=Draws(seed))
    return VAT(**options).generate(X, cast("Context", ctx)), net


def divergence(net: Net, view: Tensor) -> Tensor:
    before = net.from_normalised(net.normalise(X)).logits.softmax(1)
    after = net.from_normalised(net.normalise(view)).logits.log_softmax(1)
    return F.kl_div(after, before, reduction="none").sum(1)


def test_defaults_are_semilearns_but_for_the_probe() -> None:
    assert (VAT().radius, VAT().iterations, VAT().probe, VAT().target) == (6, 1, 1e-3, "task")


def test_every_image_moves_by_the_radius() -> None:
    view, _ = viewed(radius=0.5)
    length = ((view.x - X) / STD).flatten(1).norm(dim=1)
    torch.testing.assert_close(length, torch.full((5,), 0.5), rtol=1e-4, atol=0)
    assert view.rows.tolist() == [0, 1, 2, 3, 4]
    assert view.target is None


def test_the_direction_changes_the_prediction_more_than_a_random_one() -> None:
    searched, net = viewed(radius=0.5)
    random, _ = viewed(radius=0.5, iterations=0)
    assert (divergence(net, searched.x) > 2 * divergence(net, random.x)).all()


def test_a_second_iteration_comes_nearer_to_the_steepest_direction() -> None:
    """Of a quadratic form the power method converges to the largest eigenvalue's vector."""
    one, net = viewed(radius=0.1, iterations=1)
    ten, _ = viewed(radius=0.1, iterations=20)
    assert (divergence(net, ten.x) >= divergence(net, one.x) * (1 - 1e-3)).all()


def test_a_view_towards_the_prediction_carries_it() -> None:
    view, net = viewed(target="prediction")
    expected = net.from_normalised(net.normalise(X)).logits.softmax(1)
    torch.testing.assert_close(view.target, expected)
    assert VAT(target="prediction").soft_targets
    assert not VAT().soft_targets


def test_views_are_images() -> None:
    view, _ = viewed(radius=100.0)
    assert ((view.x >= 0) & (view.x <= 1)).all()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"radius": 0.0}, "radius: must be > 0 and finite, not 0.0"),
        ({"probe": float("inf")}, "probe: must be > 0 and finite"),
        ({"iterations": -1}, "iterations: must be >= 0"),
        ({"target": "given"}, "target: must be 'prediction' or 'task', not 'given'"),
        ({"domain": "x"}, "domain: must be 'main' or 'aux'"),
    ],
)
def test_refusals(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{fault}"):
        VAT(**options)
