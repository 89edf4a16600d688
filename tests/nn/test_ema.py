"""The moving average of a network. Its formula is held against the released code in golden/."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.hostsync import HostSyncs
from torch import Tensor, nn

from lpa3bench.config.experiment import Experiment
from lpa3bench.nn.ema import EMA
from lpa3bench.testing import Bystander, TinyNet, TinySet, assert_same, environment, weights_of
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.identity import Identity

X = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def small(auxiliary: bool = False) -> Environment:
    slots: dict[str, Any] = {"positives": Identity(domain="aux")} if auxiliary else {}
    return environment(Experiment(task=Bystander(), dataset=TinySet(), backbone=TinyNet, epochs=1, **slots))


def shake(model: Any) -> None:
    """Other weights, and a pass that moves the running statistics."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
        model(X)


def average_of(env: Environment, decay: float = 0.9) -> tuple[Any, Any, EMA]:
    """The network, its average, and who keeps it."""
    model = env.models["net"]
    ema = EMA(model, decay)
    return model, ema.model, ema


@pytest.mark.parametrize("auxiliary", [False, True])
def test_parameters_are_averaged_and_buffers_copied(auxiliary: bool) -> None:
    model, average, ema = average_of(small(auxiliary), 0.75)
    for _ in range(3):
        before = weights_of(average)
        shake(model)
        ema.update()
        known, parameters = weights_of(model), {name for name, _ in model.named_parameters()}
        assert any(".aux." in name for name in parameters) is auxiliary
        for name, value in weights_of(average).items():
            expected = 0.75 * before[name] + 0.25 * known[name] if name in parameters else known[name]
            torch.testing.assert_close(value, expected)


@given(st.floats(0, 1), st.integers(1, 5))
def test_it_comes_closer_to_a_network_that_stands_still(decay: float, count: int) -> None:
    model: Any = nn.Linear(3, 2)
    ema = EMA(model, decay)
    with torch.no_grad():
        model.weight.add_(1.0)
    for _ in range(count):
        ema.update()
    average: Any = ema.model
    torch.testing.assert_close(average.weight, model.weight - decay**count, rtol=1e-4, atol=1e-5)
    assert torch.equal(average.bias, model.bias)


def test_it_is_the_original_until_it_is_updated() -> None:
    model, average, _ = average_of(small())
    before = weights_of(average)
    assert_same(before, weights_of(model))
    shake(model)
    assert_same(weights_of(average), before)


def test_it_takes_no_gradient_and_stays_in_eval_mode() -> None:
    env = small()
    model, average, ema = average_of(env)
    assert model.training
    assert not average.training
    with env.evaluating():
        pass
    shake(model)
    ema.update()
    assert not any(module.training for module in average.modules())
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    before = weights_of(average)
    env.logits(average, X)
    assert_same(weights_of(average), before)


def test_its_passes_are_counted_with_the_runs() -> None:
    env = small()
    model, average, _ = average_of(env)
    assert average.passes is model.passes is env.passes
    with env.passes.at("evaluation"), torch.no_grad():
        env.logits(average, X)
    assert env.passes.counts == {"evaluation": [6, 0, 0]}


def test_it_has_both_batchnorms_and_chooses_for_itself() -> None:
    env = small(auxiliary=True)
    model, average, ema = average_of(env)
    with torch.no_grad():
        for _ in range(3):
            env.logits(model, X, "aux")
        ema.update()
        main, aux = env.logits(average, X).logits, env.logits(average, X, "aux").logits
    assert not torch.allclose(main, aux)


def test_it_keeps_the_layout_of_the_images() -> None:
    _, average, _ = average_of(small())
    kernels = [parameter for parameter in average.parameters() if parameter.ndim == 4]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def test_its_state_goes_into_a_fresh_one() -> None:
    model, average, ema = average_of(small())
    shake(model)
    ema.update()
    state = {name: value.clone() for name, value in ema.state_dict().items()}
    other_model, other_average, other = average_of(small())
    other.load_state_dict(state)
    other_model.load_state_dict(model.state_dict())
    assert_same(weights_of(other_average), weights_of(average))
    for one, keeper in ((model, ema), (other_model, other)):
        torch.manual_seed(1)
        shake(one)
        keeper.update()
    assert_same(weights_of(other_average), weights_of(average))


def test_the_host_waits_for_nothing() -> None:
    model, _, ema = average_of(small())
    shake(model)
    with HostSyncs() as syncs:
        ema.update()
    assert syncs.found == []


@pytest.mark.parametrize("decay", [-0.1, 1.1])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"^decay: must be in \[0, 1\]"):
        average_of(small(), decay)


def test_any_module_will_do() -> None:
    model: Any = nn.Linear(2, 2)
    x: Tensor = torch.ones(1, 2)
    average: Any = EMA(model, 0.5).model
    torch.testing.assert_close(average(x), model(x))
