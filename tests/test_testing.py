"""The conformance kit finds what is wrong, and says which law it breaks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lpa3bench import testing
from lpa3bench.api import (
    Augmenter,
    Backbone,
    Context,
    Env,
    Labels,
    LabelSet,
    Output,
    Split,
    Step,
    Task,
    View,
)
from lpa3bench.errors import ConfigError, DataError
from lpa3bench.seeding import Draws
from lpa3bench.testing import Finding, Noise, TinyNet, TinySet, TinyTask
from lpa3bench.testing.laws import NotApplicable, NotReached, hold, judge


def failed(findings: list[Finding]) -> set[str]:
    """The laws that do not hold."""
    return {finding.law for finding in findings if finding.outcome == "FAILED"}


def reasons(findings: list[Finding]) -> str:
    return " ".join(finding.reason for finding in findings if finding.outcome == "FAILED")


def rows(x: Tensor) -> Tensor:
    return torch.arange(len(x))


# ------------------------------------------------------------------------------------------------- laws
def test_what_a_law_raises_becomes_a_finding() -> None:
    def passes(trial: Any) -> None:
        """It is so."""

    def fails(trial: Any) -> None:
        raise AssertionError("it is\nnot so")

    def breaks(trial: Any) -> None:
        raise KeyError("x")

    def missing(trial: Any) -> None:
        raise DataError("no file")

    def later(trial: Any) -> None:
        raise NotReached("first this")

    def never(trial: Any) -> None:
        raise NotApplicable("not random")

    laws = [testing.Law(f.__name__, f) for f in (passes, fails, breaks, missing, later, never)]
    findings = judge("here", laws, None)
    assert [(f.law, f.outcome, f.reason) for f in findings] == [
        ("passes", "passed", ""),
        ("fails", "FAILED", "it is not so"),
        ("breaks", "FAILED", "KeyError: 'x'"),
        ("missing", "not applicable", "no file"),
        ("later", "not reached", "first this"),
        ("never", "not applicable", "not random"),
    ]
    assert [f.law for f in findings if f.data_missing] == ["missing"]
    assert laws[0].says == "It is so."
    with pytest.raises(AssertionError, match=r"^fails \(here\): it is not so$"):
        hold(findings)


@pytest.mark.parametrize("kind", ["augmenters", "tasks", "backbones", "datasets", "labels"])
def test_every_law_has_a_name_of_its_own_and_says_what_it_is(kind: str) -> None:
    module = __import__(f"lpa3bench.testing.{kind}", fromlist=["LAWS"])
    names = [law.name for law in module.LAWS]
    assert len(names) == len({*names}) > 5
    assert all(law.says.endswith(".") for law in module.LAWS)


# -------------------------------------------------------------------------------------------- augmenters
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
    found = failed(testing.try_augmenter(lambda: Model(fault)))
    assert law in found
    # NumPy's and Python's generators are in no checkpoint, and a backward pass wants gradients.
    assert found <= {law, "resume", "gradients off"}


def test_an_augmenter_that_forgets() -> None:
    class Forgetful(Augmenter):
        calls = 0

        def generate(self, x: Tensor, ctx: Context) -> View:
            self.calls += 1
            return View((x + 0.01 * self.calls).clamp(0, 1), rows(x))

    assert failed(testing.try_augmenter(Forgetful)) == {"resume"}


def test_an_augmenter_that_moves_the_order_of_the_data() -> None:
    class Nosy(Noise):
        def setup(self, env: Env) -> None:
            env.sampler("train", 4).next()

    found = testing.try_augmenter(Nosy)
    assert failed(found) == {"data order"}
    assert "'order/train'" in reasons(found)


def test_an_augmenter_whose_seed_does_not_matter() -> None:
    class Stubborn(Augmenter):
        def generate(self, x: Tensor, ctx: Context) -> View:
            ctx.draws.uniform((3,))
            return View(1 - x, rows(x))

    assert failed(testing.try_augmenter(Stubborn)) == {"seeds matter"}


def test_a_slot_that_is_refused_is_not_applicable() -> None:
    class Choosy(Noise):
        def unsupported(self, spec: Any, slot: str) -> str | None:
            return "no strong views" if slot == "strong" else None

    found = testing.try_augmenter(Choosy)
    assert failed(found) == set()
    assert [(f.law, f.reason) for f in found if f.where == "slot strong"] == [
        ("every law", "no strong views")
    ]


@pytest.mark.parametrize("slot", ["view", "strong", "positives"])
def test_the_kits_own_augmenters_keep_the_laws(slot: Any) -> None:
    from lpa3bench.testing.tiny import hard

    testing.check_augmenter(Noise, slot)
    testing.check_augmenter(lambda: hard(slot), slot)


# ------------------------------------------------------------------------------------------------- tasks
def test_the_kits_own_task_keeps_the_laws() -> None:
    testing.check_task(TinyTask)


class OneSlot(TinyTask):
    """A task for which there are three trials, not seven."""

    slots = ("positives",)


class Forgetful(OneSlot):
    saved = ("sampler",)


class Idle(OneSlot):
    def update(self, step: Step, views: Any) -> dict[str, Tensor]:
        return {"loss": torch.tensor(0.0)}


class Lossless(OneSlot):
    def update(self, step: Step, views: Any) -> dict[str, Tensor]:
        return {"cost": super().update(step, views)["loss"]}


class Diverging(OneSlot):
    def update(self, step: Step, views: Any) -> dict[str, Tensor]:
        return {"loss": super().update(step, views)["loss"] / 0}


class Logits(OneSlot):
    def predict(self, x: Tensor) -> Tensor:
        return self.env.logits(self.net, x).logits


class LeavesTraining(OneSlot):
    def predict(self, x: Tensor) -> Tensor:
        self.net.backbone.train()
        return super().predict(x)


class Unannounced(OneSlot):
    def batches(self, epoch: int) -> Iterator[Step]:
        yield from (step._replace(phase="other") for step in super().batches(epoch))


class Global(OneSlot):
    def begin_epoch(self, epoch: int) -> None:
        torch.rand(1)


class OtherOrder(OneSlot):
    """Draws a batch of its own where positives are bound."""

    def update(self, step: Step, views: Any) -> dict[str, Tensor]:
        x = self.env.images(step.batches[0].index)
        if views("positives", self.net, x, index=None, target=None) is not None:
            self.env.draws("order/train").permutation(3)
        return super().update(step, views)


class Raising(OneSlot):
    def end_epoch(self, epoch: int) -> None:
        raise RuntimeError("the scheduler is missing")


@pytest.mark.parametrize(
    ("make", "laws"),
    [
        (Forgetful, {"resume"}),
        (Idle, {"trains"}),
        (Lossless, {"finite loss"}),
        (Diverging, {"finite loss"}),
        (Logits, {"shapes"}),
        (LeavesTraining, {"predict"}),
        (Unannounced, {"phases"}),
        (Global, {"no global RNG"}),
        (Raising, {"three updates"}),
    ],
)
def test_a_task_with_one_fault(make: Any, laws: set[str]) -> None:
    assert failed(testing.try_task(make)) == laws


def test_a_task_whose_order_moves_when_a_slot_is_bound() -> None:
    found = testing.try_task(OtherOrder)
    assert {f.where for f in found if f.law == "data order" and f.outcome == "FAILED"} == {
        "Noise in positives",
        "Hard in positives",
    }


def test_a_task_for_few_labels_is_tried_with_few_labels() -> None:
    class SemiSupervised(OneSlot):
        def setup(self, env: Env) -> None:
            if bool(env.labels.labelled.all()):
                raise ConfigError("there is nothing to learn without a label")
            super().setup(env)

    assert failed(testing.try_task(SemiSupervised)) == set()


def test_a_task_that_refuses_the_tiny_set_is_not_applicable() -> None:
    class Ordinal(OneSlot):
        def unsupported(self, spec: Any, labels: Labels) -> str | None:
            return "only for ordered classes"

    (finding,) = testing.try_task(Ordinal)
    assert finding.outcome == "not applicable"
    assert "only for ordered classes" in finding.reason


def test_a_task_that_cannot_be_built() -> None:
    def make() -> Task:
        raise TypeError("abstract")

    assert failed(testing.try_task(make)) == {"initialise"}


# --------------------------------------------------------------------------------------------- backbones
def test_the_kits_own_backbone_keeps_the_laws() -> None:
    testing.check_backbone(TinyNet)


class HeadLeftOut(TinyNet):
    def stages(self) -> list[nn.Module]:
        return [self.stem, self.body]


class NoMaps(TinyNet):
    def forward(self, x: Tensor) -> Output:
        return Output(super().forward(x).logits, ())


class Counts(TinyNet):
    """Something that no state dict knows decides what it answers."""

    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes=num_classes, in_channels=in_channels)
        self.shift = float(torch.rand(1))

    def forward(self, x: Tensor) -> Output:
        output = super().forward(x)
        return output._replace(logits=output.logits + self.shift)


class Restless(TinyNet):
    def forward(self, x: Tensor) -> Output:
        return super().forward(x + 0.1 * torch.rand_like(x))


class NumPyMade(TinyNet):
    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes=num_classes, in_channels=in_channels)
        nn.init.constant_(self.head.weight, np.random.rand())


class Hooked(TinyNet):
    """Features by a hook that knows the object it was made for, and writes there from a deep copy too."""

    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes=num_classes, in_channels=in_channels)
        kept: dict[str, Tensor] = {}
        self.stem.register_forward_hook(lambda module, inputs, output: kept.update(stem=output))
        self.kept = kept

    def forward(self, x: Tensor) -> Output:
        return super().forward(x)._replace(features=(self.kept["stem"],))


@pytest.mark.parametrize(
    ("make", "laws"),
    [
        (HeadLeftOut, {"stages"}),
        (NoMaps, {"shapes"}),
        (Counts, {"resume"}),
        (NumPyMade, {"same seed", "resume", "auxiliary BatchNorm"}),
        (Hooked, {"deep copy"}),
        (Restless, {"no global RNG", "eval mode", "deep copy"}),
    ],
)
def test_a_backbone_with_a_fault(make: Any, laws: set[str]) -> None:
    found = failed(testing.try_backbone(make))
    assert found <= laws
    assert found


def test_a_backbone_that_takes_other_arguments() -> None:
    class Own(Backbone):
        def __init__(self, *, classes: int) -> None:
            super().__init__()

        def forward(self, x: Tensor) -> Output:
            raise AssertionError

        def stages(self) -> list[nn.Module]:
            return []

    assert failed(testing.try_backbone(Own)) == {"initialise"}


# ---------------------------------------------------------------------------------- data sets and labels
def test_the_kits_own_data_set_and_labels_keep_the_laws(tmp_path: Path) -> None:
    testing.check_dataset(TinySet(), tmp_path)
    testing.check_labels(testing.TinyLabels)
    testing.check_labels(lambda: testing.TinyLabels(partial=True))


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (lambda s: Split(s.images.float(), s.labels), "shapes"),
        (lambda s: Split(s.images[:, :1], s.labels), "shapes"),
        (lambda s: Split(s.images, s.labels - 1), "labels"),
        (lambda s: Split(s.images, s.labels + 1), "labels"),
        (lambda s: Split(torch.randint(0, 255, s.images.shape).byte(), s.labels), "no global RNG"),
        (lambda s: Split(s.images, s.labels.int()), "labels"),
    ],
)
def test_a_data_set_with_a_fault(change: Any, law: str, tmp_path: Path) -> None:
    class Faulty(TinySet):
        def load(self, root: Path) -> dict[str, Split]:
            return {name: change(split) for name, split in super().load(root).items()}

    assert failed(testing.try_dataset(Faulty, tmp_path)) == {law}


def test_a_data_set_without_a_test_split(tmp_path: Path) -> None:
    class Half(TinySet):
        def load(self, root: Path) -> dict[str, Split]:
            return {"train": super().load(root)["train"]}

    assert reasons(testing.try_dataset(Half, tmp_path)) == "there is no split 'test'"


def test_a_data_set_that_is_not_there_is_a_data_error(tmp_path: Path) -> None:
    class Absent(TinySet):
        def load(self, root: Path) -> dict[str, Split]:
            raise DataError("its files are missing")

    assert any(finding.data_missing for finding in testing.try_dataset(Absent, tmp_path))
    with pytest.raises(DataError):
        testing.check_dataset(Absent(), tmp_path)


class In(Labels):
    """Labels made by a function of (clean, num_classes, draws)."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def apply(self, clean: Tensor, *, num_classes: int, draws: Draws) -> LabelSet:
        labels = self.given(clean, num_classes, draws)
        return LabelSet(labels, clean >= 0, {})


@pytest.mark.parametrize(
    ("given", "law"),
    [
        (lambda clean, k, draws: clean.add_(1).remainder_(k), "input untouched"),
        (lambda clean, k, draws: clean + 1, "range"),
        (lambda clean, k, draws: clean.float(), "shapes"),
        (lambda clean, k, draws: clean[:3], "shapes"),
        (lambda clean, k, draws: torch.randint(0, k, clean.shape), "no global RNG"),
        (lambda clean, k, draws: (draws.permutation(len(clean)), clean.clone())[1], "seeds matter"),
    ],
)
def test_labels_with_a_fault(given: Any, law: str) -> None:
    assert failed(testing.try_labels(lambda: In(given))) == {law}


def test_labels_that_make_one_up() -> None:
    class Everyone(Labels):
        def apply(self, clean: Tensor, *, num_classes: int, draws: Draws) -> LabelSet:
            return LabelSet(clean.clone(), torch.ones_like(clean, dtype=torch.bool), {})

    found = testing.try_labels(Everyone)
    assert failed(found) == {"unlabelled images"}


# ------------------------------------------------------------------------------------------- global state
@pytest.mark.parametrize(
    ("draw", "whose"),
    [(lambda: torch.rand(1), "torch's"), (np.random.rand, "NumPy's"), (random.random, "Python's")],
)
def test_global_draws_are_noticed(draw: Any, whose: str) -> None:
    with pytest.raises(AssertionError, match=f"^draws from {whose} global"), testing.no_global_randomness():
        draw()


def test_the_kit_leaves_the_global_generators_alone() -> None:
    with testing.no_global_randomness():
        testing.try_augmenter(lambda: Model(lambda x, ctx: torch.rand(1)))
        testing.try_task(Global)
