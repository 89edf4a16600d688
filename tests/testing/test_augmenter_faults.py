"""The laws of augmenters: one that breaks a law is found out, and a good one is left in peace."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lpa3bench.api import Augmenter, Context, Slot, View
from lpa3bench.errors import PluginError
from lpa3bench.plugin.from_transform import from_transform
from lpa3bench.testing import Finding, Noise, try_augmenter
from lpa3bench.testing.differences import assert_same, attempt, outcome_of, same_bits


def outcomes(findings: list[Finding], outcome: str = "FAILED") -> dict[str, str]:
    """The laws that came out so, each with a reason."""
    return {finding.law: finding.reason for finding in findings if finding.outcome == outcome}


class Fault(Augmenter):
    """With a model, and a function of images and context that does what it should not, or answers."""

    needs_model = True
    soft_targets = True

    def __init__(self, fault: Callable[[Tensor, Context], Any]) -> None:
        self.fault = fault

    def generate(self, x: Tensor, ctx: Context) -> View:
        answer = self.fault(x, ctx)
        return answer if isinstance(answer, View) else View(x.clone(), torch.arange(len(x)))


def batchnorms(ctx: Context) -> list[nn.BatchNorm2d]:
    return [m for m in ctx.model.backbone.modules() if isinstance(m, nn.BatchNorm2d)]


def reset(x: Tensor, ctx: Context) -> None:
    """To what a network starts from."""
    for layer in batchnorms(ctx):
        assert layer.running_mean is not None
        assert layer.running_var is not None
        layer.running_mean.zero_()
        layer.running_var.fill_(1)


def slow_down(x: Tensor, ctx: Context) -> None:
    for layer in batchnorms(ctx):
        layer.momentum = 0.0


def later(x: Tensor, ctx: Context) -> None:
    if ctx.step >= 10:
        for parameter in ctx.model.parameters():
            parameter.data.mul_(0.9)


def next_epoch(x: Tensor, ctx: Context) -> None:
    if ctx.epoch >= 1:
        torch.rand(1)


def zero_target(x: Tensor, ctx: Context) -> None:
    assert ctx.target is not None
    ctx.target.zero_()


def zero_index(x: Tensor, ctx: Context) -> None:
    assert ctx.index is not None
    ctx.index.zero_()


def target(make: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Context], View]:
    def answer(x: Tensor, ctx: Context) -> View:
        assert ctx.target is not None
        return View(x.clone(), torch.arange(len(x)), target=make(ctx.target))

    return answer


def grey_in_place(x: Tensor, ctx: Context) -> None:
    x[:, : 1 if x.shape[1] == 1 else 0].mul_(0.5)


def grey_in_colour(x: Tensor, ctx: Context) -> View:
    return View(x.expand(-1, 3, -1, -1).clone(), torch.arange(len(x)))


def not_a_number(x: Tensor, ctx: Context) -> View:
    return View(x / 0 * 0 + ctx.draws.uniform((1,)), torch.arange(len(x)))


def says_returned(x: Tensor, ctx: Context) -> None:
    raise RuntimeError("the library returned nothing")


@pytest.mark.parametrize(
    ("fault", "law", "reason"),
    [
        (reset, "parameters untouched", "running_mean"),
        (slow_down, "parameters untouched", "momentum"),
        (later, "parameters untouched", "weight"),
        (next_epoch, "no global RNG", "torch's"),
        (zero_target, "input untouched", "writes into the target"),
        (zero_index, "input untouched", "writes into the index"),
        (target(lambda given: given * 2), "range", "sum of one"),
        (target(lambda given: 2 * given - 1 / 3), "range", ">= 0"),
        (target(lambda given: given / 0), "range", "sum of one"),
        (grey_in_place, "grey images", "writes into the images"),
        (grey_in_colour, "grey images", "returned images"),
        (not_a_number, "range", "NaN"),
        (lambda x, ctx: View(x.clone(), torch.arange(len(x)), {"a": "b"}), "shapes", "no number"),
        (says_returned, "batches", "RuntimeError: the library returned nothing"),
        (lambda x, ctx: sys.exit(0), "batches", "SystemExit: 0"),
    ],
)
def test_an_augmenter_with_one_fault(fault: Any, law: str, reason: str) -> None:
    found = outcomes(try_augmenter(lambda: Fault(fault)))
    assert reason in found[law]
    assert found.keys() <= {law, "resume"}, "nothing else is blamed on what follows from it"


def test_what_is_no_image_is_not_looked_into_further() -> None:
    found = try_augmenter(lambda: Fault(not_a_number))
    assert outcomes(found, "not reached").keys() >= {"same seed", "seeds matter", "three updates", "resume"}


def test_an_epoch_is_begun_before_a_view_is_asked_for() -> None:
    class Scheduled(Noise):
        strength: float

        def begin_epoch(self, epoch: int) -> None:
            self.strength = 0.1 * (epoch + 1)

        def generate(self, x: Tensor, ctx: Context) -> View:
            view = super().generate(x, ctx)
            return View(x.lerp(view.x, self.strength), view.rows)

    assert outcomes(try_augmenter(Scheduled)) == {}


def test_begin_epoch_that_raises_is_told_as_it_is() -> None:
    class Broken(Noise):
        def begin_epoch(self, epoch: int) -> None:
            raise KeyError("schedule")

    assert outcomes(try_augmenter(Broken)) == {"batches": "KeyError: 'schedule'"}


class Negative(Augmenter):
    """The same for every seed, by design."""

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(1 - x, torch.arange(len(x)))


class OneStrength(nn.Module):
    """Draws a strength between equal bounds, as libraries do for a fixed one."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.empty(1).uniform_(0.5, 0.5)


@pytest.mark.parametrize(
    "make",
    [
        Negative,
        from_transform(lambda: lambda image: image.mean(0, keepdim=True).expand_as(image).clone()),
        from_transform(lambda: OneStrength()),
    ],
)
def test_views_that_no_draw_can_change_need_no_seed(make: Any) -> None:
    found = try_augmenter(make)
    assert outcomes(found) == {}
    assert "seeds matter" in outcomes(found, "not applicable")


def test_grey_images_that_are_refused_are_not_tried() -> None:
    class Coloured(Noise):
        def unsupported(self, spec: Any, slot: Slot) -> str | None:
            return "it moves colours" if spec.channels == 1 else None

        def generate(self, x: Tensor, ctx: Context) -> View:
            assert x.shape[1] == 3
            return super().generate(x, ctx)

    found = try_augmenter(Coloured)
    assert outcomes(found) == {}
    assert outcomes(found, "not applicable")["grey images"] == "it moves colours"


def test_a_transform_that_cannot_take_grey_images_says_so_in_its_own_words() -> None:
    def swap(image: Tensor) -> Tensor:
        return image[torch.tensor([2, 1, 0])]

    found = try_augmenter(from_transform(lambda: swap))
    assert outcomes(found) == {}
    assert "does not take them: IndexError" in outcomes(found, "not applicable")["grey images"]


@pytest.mark.parametrize("error", [KeyError("size"), SystemExit(0)])
def test_an_augmenter_whose_refusal_breaks(error: BaseException) -> None:
    class Broken(Noise):
        def unsupported(self, spec: Any, slot: Slot) -> str | None:
            raise error

    found = outcomes(try_augmenter(Broken))
    assert found.keys() == {"initialise"}
    assert type(error).__name__ in found["initialise"]


def test_a_constructor_that_ends_the_program() -> None:
    def make() -> Augmenter:
        sys.exit(0)

    assert "SystemExit: 0" in outcomes(try_augmenter(make))["initialise"]


def test_an_error_with_another_seed_only_is_a_failure() -> None:
    class Rare(Augmenter):
        def generate(self, x: Tensor, ctx: Context) -> View:
            strength = 1.0 if ctx.draws.seed == first else 2.0
            return View(x.clamp(0.6) * strength + 0 * ctx.draws.uniform((1,)), torch.arange(len(x)))

    from lpa3bench.runtime.seeding import derive

    first = derive(0, "augment/view/net")
    found = [f for f in try_augmenter(Rare) if f.where == "slot view"]
    assert "another seed" in outcomes(found)["seeds matter"]


# --------------------------------------------------------------------------------------------- comparisons
def test_the_same_bits() -> None:
    nan, inf = torch.tensor([float("nan"), 1.0]), torch.tensor([float("inf"), 1.0])
    assert same_bits(nan, nan.clone())
    assert same_bits(torch.tensor([True]), torch.tensor([True]))
    assert not same_bits(nan, torch.tensor([7.0, 1.0]))
    assert not same_bits(inf, torch.tensor([torch.finfo(torch.float32).max, 1.0]))
    assert not same_bits(torch.zeros(2), torch.zeros(3))
    assert not same_bits(torch.zeros(2), torch.zeros(2, dtype=torch.int64))
    assert_same({"a": [nan, float("nan")]}, {"a": [nan.clone(), float("nan")]})


def test_an_outcome_is_a_value_or_an_error() -> None:
    assert outcome_of(lambda: 3) == 3
    assert "SystemExit: 2" in str(outcome_of(lambda: sys.exit(2)))
    returned = PluginError("not raised")
    assert attempt(lambda: returned) is None
