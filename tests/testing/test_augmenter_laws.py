"""The conformance kit on augmenters: the faults of one kind each."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.law_findings import broken, reasons, rows
from torch import Tensor, nn

from lpa3bench import testing
from lpa3bench.api import Augmenter, Context, Env, Slot, View
from lpa3bench.testing import Noise


class Model(Augmenter):
    """With a model, and a fault."""

    needs_model = True

    def __init__(self, fault: Callable[[Tensor, Context], Any]) -> None:
        self.fault = fault

    def generate(self, x: Tensor, ctx: Context) -> View:
        self.fault(x, ctx)
        return View(x.clone(), rows(x))


def backward(x: Tensor, ctx: Context) -> None:
    for parameter in ctx.model.parameters():
        parameter.requires_grad_(True)
    ctx.logits(x).logits.sum().backward()


def statistics(x: Tensor, ctx: Context) -> None:
    for module in ctx.model.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            assert module.running_mean is not None
            module.running_mean.add_(1)


def needs_gradient(x: Tensor, ctx: Context) -> None:
    moved = x.clone().requires_grad_()
    torch.autograd.grad(ctx.logits(moved).logits.sum(), moved)


@pytest.mark.parametrize(
    ("fault", "law"),
    [
        (backward, "no gradients left"),
        (statistics, "parameters untouched"),
        (lambda x, ctx: np.random.rand(), "no global RNG"),
        (lambda x, ctx: random.random(), "no global RNG"),
        (lambda x, ctx: torch.rand(1), "no global RNG"),
        (lambda x, ctx: x.mul_(0.5), "input untouched"),
        (needs_gradient, "gradients off"),
        (lambda x, ctx: 1 / 0, "batches"),
    ],
    ids=["backward", "statistics", "NumPy", "Python", "torch", "input", "gradients", "raises"],
)
def test_an_augmenter_with_one_fault(fault: Any, law: str) -> None:
    found = broken(testing.try_augmenter(lambda: Model(fault)))
    assert law in found
    # NumPy's and Python's generators are in no checkpoint, and a backward pass wants gradients.
    assert found <= {law, "resume", "gradients off"}


def test_an_augmenter_that_forgets() -> None:
    class Forgetful(Augmenter):
        calls = 0

        def generate(self, x: Tensor, ctx: Context) -> View:
            self.calls += 1
            return View((x + 0.01 * self.calls).clamp(0, 1), rows(x))

    assert broken(testing.try_augmenter(Forgetful)) == {"resume"}


def test_an_augmenter_that_moves_the_order_of_the_data() -> None:
    class Nosy(Noise):
        def setup(self, env: Env) -> None:
            env.sampler("train", 4).next()

    found = testing.try_augmenter(Nosy)
    assert broken(found) == {"data order"}
    assert "'order/train'" in reasons(found)


def test_an_augmenter_whose_seed_does_not_matter() -> None:
    class Stubborn(Augmenter):
        def generate(self, x: Tensor, ctx: Context) -> View:
            ctx.draws.uniform((3,))
            return View(1 - x, rows(x))

    assert broken(testing.try_augmenter(Stubborn)) == {"seeds matter"}


def test_a_slot_that_is_refused_is_not_applicable() -> None:
    class Choosy(Noise):
        def unsupported(self, spec: Any, slot: Slot) -> str | None:
            return "no strong views" if slot.name == "strong" else None

    found = testing.try_augmenter(Choosy)
    assert broken(found) == set()
    assert [(f.law, f.reason) for f in found if f.where == "slot strong"] == [
        ("every law", "no strong views")
    ]


@pytest.mark.parametrize("slot", ["view", "strong", "positives"])
def test_the_kits_own_augmenters_keep_the_laws(slot: Any) -> None:
    from lpa3bench.testing.tiny import hard

    testing.check_augmenter(Noise, slot)
    testing.check_augmenter(lambda: hard(slot), slot)
