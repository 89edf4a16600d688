"""What a task works with."""

from __future__ import annotations

import copy
import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.point_network import PointNet
from torch import Tensor

from lpa3bench.api import Augmenter, Context, View
from lpa3bench.config.experiment import Experiment
from lpa3bench.testing import COUNT, Bystander, TinyNet, TinySet, assert_same, environment
from lpa3bench.training.environment import Environment

EXPERIMENT = Experiment(task=Bystander(), dataset=TinySet(), backbone=TinyNet, epochs=1)
INDEX = torch.arange(6)
NAMES = ("weak", "order/train", "augment/view/net", "mix")


class Auxiliary(Augmenter):
    bn_domain = "aux"

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(x, torch.arange(len(x)))


class TwoNets(Bystander):
    models = ("one", "two")


@given(st.permutations(NAMES), st.permutations(NAMES))
@settings(max_examples=20)
def test_the_order_in_which_components_ask_is_irrelevant(one: list[str], other: list[str]) -> None:
    first, second = environment(EXPERIMENT), environment(EXPERIMENT)
    drawn = {name: first.draws(name).child() for name in one}
    assert drawn == {name: second.draws(name).child() for name in other}
    assert len(set(drawn.values())) == len(NAMES)


def test_a_component_has_one_stream_and_each_seed_its_own() -> None:
    env, other = environment(EXPERIMENT, seed=0), environment(EXPERIMENT, seed=1)
    assert env.draws("mix") is env.draws("mix")
    assert env.draws("mix").child() != env.draws("mix").child()
    assert env.draws("order/train").child() != other.draws("order/train").child()


def test_weak_views_are_drawn_anew_and_images_are_not() -> None:
    env = environment(EXPERIMENT)
    assert not torch.equal(env.weak(INDEX), env.weak(INDEX))
    assert torch.equal(env.images(INDEX), TinySet()._split(0).images[:6] / 255)


def test_samplers_go_over_everything_or_a_subset_in_an_order_of_their_name() -> None:
    env = environment(EXPERIMENT)
    everything = torch.cat([batch.index for batch in env.sampler("a", 16).one_pass()])
    assert everything.sort().values.tolist() == [*range(COUNT)]
    subset = torch.tensor([3, 5, 8, 13, 21])
    sampler = env.sampler("b", 2, subset, drop_last=False)
    assert [len(batch.index) for batch in sampler.one_pass()] == [2, 2, 1]
    again = environment(EXPERIMENT)
    again.sampler("b", 2, subset).next()
    assert torch.equal(again.sampler("a", 16).next().index, everything[:16])


@pytest.mark.parametrize(("network", "expected"), [(TinyNet, [2, 2, 1]), (PointNet, [2, 3])])
def test_an_image_that_is_left_over_joins_where_a_network_needs_two(
    network: type[TinyNet], expected: list[int]
) -> None:
    env = environment(replace(EXPERIMENT, backbone=network))
    before = copy.deepcopy(env.model("net").state_dict())
    random = torch.get_rng_state()

    def lengths(count: int = 5, **how: Any) -> list[int]:
        sampler = env.sampler("b", 2, torch.arange(count), **{"drop_last": False, **how})
        return [len(batch.index) for batch in sampler.one_pass()]

    assert lengths() == expected
    assert lengths(6) == [2, 2, 2]
    assert lengths(1) == [1]
    assert lengths(drop_last=True) == [2, 2]
    assert lengths(least=1) == [2, 2, 1]
    assert lengths(least=2) == [2, 3]
    assert_same(env.model("net").state_dict(), before, "a look at one image leaves nothing behind")
    assert torch.equal(torch.get_rng_state(), random)


def test_evaluating_is_without_gradient_and_leaves_modes_as_they_were() -> None:
    env = environment(replace(EXPERIMENT, task=TwoNets()))
    one, two = env.models.values()
    one.backbone.stages()[0].eval()
    before = [m.training for net in (one, two) for m in net.modules()]
    assert set(before) == {True, False}
    with env.evaluating():
        assert not torch.is_grad_enabled()
        assert not any(m.training for net in (one, two) for m in net.modules())
        with env.evaluating(two):
            pass
        assert not two.training
    assert [m.training for net in (one, two) for m in net.modules()] == before
    assert torch.is_grad_enabled()
    with env.evaluating(two):
        assert (one.training, two.training) == (True, False)
    with pytest.raises(KeyError), env.evaluating():
        raise KeyError
    assert [m.training for net in (one, two) for m in net.modules()] == before
    assert torch.is_grad_enabled()


def test_logits_go_through_the_domain_that_is_asked_for() -> None:
    env = environment(replace(EXPERIMENT, positives=Auxiliary()))
    net, x = env.models["net"], env.images(INDEX)

    def statistics(aux: bool) -> list[Tensor]:
        return [v.clone() for n, v in net.state_dict().items() if "running" in n and (".aux." in n) == aux]

    main, aux = statistics(False), statistics(True)
    env.logits(net, x, "aux")
    assert_same(statistics(False), main)
    assert all(not torch.equal(*pair) for pair in zip(statistics(True), aux, strict=True))
    aux = statistics(True)
    env.logits(net, x, slot="positives")
    assert all(not torch.equal(*pair) for pair in zip(statistics(False), main, strict=True))
    assert_same(statistics(True), aux)
    assert env.passes.counts == {"task": [6, 0, 0], "positives/loss": [6, 0, 0]}


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_logits_are_in_the_runs_precision(precision: str, dtype: torch.dtype) -> None:
    env = environment(replace(EXPERIMENT, precision=precision))
    assert env.logits(env.models["net"], env.images(INDEX)).logits.dtype == dtype
    assert not torch.is_autocast_enabled("cpu")


def trained(env: Environment) -> None:
    """Move everything that an environment holds."""
    env.clock.step += 3
    for net in env.models.values():
        env.backward(env.logits(net, env.weak(INDEX)).logits.sum())
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.grad is not None:
                    parameter -= parameter.grad
                    parameter.grad = None
    env.sampler("train", 4).next()
    env.draws("mix").normal((3,), like=env.images(INDEX))
    torch.rand(3)  # as drop-out would


def numbers() -> Tensor:
    """What drop-out would draw next."""
    with torch.random.fork_rng(devices=[]):
        return torch.rand(3)


def test_saved_and_loaded_it_goes_on_with_the_same_bits() -> None:
    experiment = replace(EXPERIMENT, task=TwoNets(), positives=Auxiliary())
    one, other = environment(experiment), environment(experiment)
    trained(one)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    trained(other)
    trained(other)
    state = torch.load(file, weights_only=True)
    other.load_state_dict(state)
    assert_same(one.state_dict(), other.state_dict())
    expected = numbers()
    trained(one)
    after = one.state_dict()
    assert not torch.equal(numbers(), expected)
    other.load_state_dict(state)
    assert torch.equal(numbers(), expected)
    trained(other)
    assert_same(after, other.state_dict())
    assert one.clock.step == 6
