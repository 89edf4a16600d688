from __future__ import annotations

import torch
from torch import Tensor, nn

from lpa3bench.nn.reset import initialised, reset_parameters
from lpa3bench.runtime.seeding import seeded
from lpa3bench.testing import no_global_randomness


def head() -> nn.Sequential:
    """With parts in parts, a frozen parameter and one layer that has nothing to reset."""
    model = nn.Sequential(nn.Sequential(nn.Linear(5, 4), nn.ReLU()), nn.Linear(4, 3, bias=False))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 7.0)
    model[1].weight.requires_grad_(False)
    return model


def weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_one_seed_gives_one_set_of_weights_whatever_was_there() -> None:
    one, other, third = head(), head(), head()
    for parameter in other.parameters():
        nn.init.constant_(parameter, -1.0)
    with no_global_randomness():
        reset_parameters(one, 5)
        reset_parameters(other, 5)
        reset_parameters(third, 6)
    for first, second, different in zip(weights(one), weights(other), weights(third), strict=True):
        assert torch.equal(first, second)
        assert not torch.equal(first, different)
        assert first.abs().max() < 1
    reset_parameters(one, 5)
    assert all(torch.equal(*pair) for pair in zip(weights(one), weights(other), strict=True))


def test_the_layers_own_defaults_decide() -> None:
    model, fresh = nn.Linear(5, 4), nn.Linear(5, 4)
    reset_parameters(model, 5)
    with seeded(5):
        fresh.reset_parameters()
    assert all(torch.equal(*pair) for pair in zip(weights(model), weights(fresh), strict=True))


def test_parameters_stay_the_same_objects() -> None:
    model = head()
    before = [(id(p), p.data_ptr(), p.requires_grad) for p in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    reset_parameters(model, 5)
    assert [(id(p), p.data_ptr(), p.requires_grad) for p in model.parameters()] == before
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in model.parameters() if p.grad is not None)
    assert {flag for *_, flag in before} == {True, False}


def test_running_statistics_start_anew() -> None:
    norm = nn.BatchNorm1d(4)
    norm(torch.randn(8, 4) + 3)
    kept = norm.running_mean
    reset_parameters(norm, 5)
    assert norm.running_mean is kept
    for one, fresh in zip(norm.state_dict().values(), nn.BatchNorm1d(4).state_dict().values(), strict=True):
        assert torch.equal(one, fresh)


def test_a_part_of_a_plugin_is_initialised_from_a_seed_alone() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))

    with no_global_randomness():
        one, same, other = (initialised(make, seed, torch.device("cpu")) for seed in (1, 1, 2))
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name]), name
    with seeded(1):
        plain = make()
    assert torch.equal(one.state_dict()["0.weight"], plain.state_dict()["0.weight"]), (
        "as the layers' defaults"
    )
    assert not torch.equal(one.state_dict()["0.weight"], other.state_dict()["0.weight"])


def test_what_no_layer_resets_is_no_number_until_somebody_fills_it() -> None:
    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)
            self.scale = nn.Parameter(torch.ones(3))
            self.register_buffer("grid", torch.ones(3), persistent=False)
            self.register_buffer("steps", torch.ones(3, dtype=torch.int64))

    made = initialised(Scaled, 0, torch.device("cpu"))
    assert made.weight.isfinite().all()
    assert made.scale.isnan().all()
    assert made.grid.isnan().all()
    assert made.steps.tolist() == [0, 0, 0]
