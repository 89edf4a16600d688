from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lpa3bench import testing
from lpa3bench.api import Augmenter, Context, DatasetSpec, Slot, SlotName, View
from lpa3bench.config.cell import refuse_nonsense
from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import ConfigError
from lpa3bench.runtime.seeding import Draws
from lpa3bench.testing import SPEC, Bystander, TinyNet, TinySet, environment
from lpa3bench.types import SLOTS
from lpa3bench_plugins.augmenters.augmix import AugMix
from lpa3bench_plugins.augmenters.compose import Compose
from lpa3bench_plugins.augmenters.cutmix import CutMix
from lpa3bench_plugins.augmenters.cutout import Cutout
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.augmenters.randaugment import RandAugment
from lpa3bench_plugins.tasks.supervised import Supervised


class Every(Augmenter):
    """Selects every `step`-th row, shifts the images, and writes down what it was told."""

    def __init__(self, step: int = 1, shift: float = 0.0, soft: bool = False) -> None:
        self.step, self.shift, self.soft_targets = step, shift, soft
        self.told: list[tuple[Tensor, Context]] = []

    def generate(self, x: Tensor, ctx: Context) -> View:
        self.told.append((x, ctx))
        rows = torch.arange(len(x))[:: self.step]
        assert ctx.target is not None
        target = 1 - ctx.target[rows] if self.soft_targets else None
        return View(x[rows] + self.shift, rows, {"shift": self.shift}, target)


def context(count: int, copies: int = 1) -> Context:
    nothing: Any = None
    return Context(
        model=nothing, logits=nothing, index=torch.arange(count // copies).repeat(copies) + 100,
        target=torch.eye(count), copies=copies, spec=SPEC, epoch=0, step=0, pass_no=0, draws=nothing,
    )  # fmt: skip


def chain(*members: Augmenter) -> Compose:
    return Compose(augmenters=members)


X = torch.arange(8.0).view(8, 1, 1, 1) / 100


# ------------------------------------------------------------------------------------------------- views
def test_a_member_that_makes_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="AugMix makes two views of an image, and the next takes one"):
        Compose(augmenters=(AugMix(jensen_shannon=True),))


def test_each_works_on_the_views_of_the_one_before() -> None:
    view = chain(Every(shift=0.1), Every(shift=0.2)).generate(X, context(8))
    torch.testing.assert_close(view.x, X + 0.3)
    assert view.rows.tolist() == list(range(8))
    assert view.target is None
    assert view.info == {"0/shift": 0.1, "1/shift": 0.2}


def test_a_selection_is_passed_on() -> None:
    first, second, third = Every(2), Every(2, shift=0.5), Every()
    view = chain(first, second, third).generate(X, context(8))
    assert view.rows.tolist() == [0, 4]
    torch.testing.assert_close(view.x, X[[0, 4]] + 0.5)
    ((x, ctx),) = second.told
    assert torch.equal(x, X[::2])
    assert ctx.index is not None
    assert ctx.target is not None
    assert ctx.index.tolist() == [100, 102, 104, 106]
    assert torch.equal(ctx.target, torch.eye(8)[::2])
    ((_, ctx),) = third.told
    assert ctx.index is not None
    assert ctx.index.tolist() == [100, 104]


def test_targets_of_its_own_are_passed_on_and_selected_from() -> None:
    last = Every()
    view = chain(Every(2), Every(soft=True), Every(2), last).generate(X, context(8))
    expected = 1 - torch.eye(8)[[0, 4]]
    assert view.target is not None
    assert torch.equal(view.target, expected)
    assert last.told[0][1].target is not None
    assert torch.equal(last.told[0][1].target, expected)


def test_without_an_index_or_a_target_there_is_none_later() -> None:
    members = RandAugment(), Identity(), Cutout()
    ctx = replace(context(8), index=None, target=None, draws=Draws(0))
    view = chain(*members).generate(torch.rand(8, 3, 8, 8), ctx)
    assert view.x.shape == (8, 3, 8, 8)
    assert view.target is None


@pytest.mark.parametrize(("step", "copies"), [(1, 2), (2, 1)])
def test_copies_are_told_as_long_as_none_is_left_out(step: int, copies: int) -> None:
    second = Every()
    chain(Every(step), second).generate(X, context(8, copies=2))
    assert second.told[0][1].copies == copies


def test_nothing_left_ends_the_sequence() -> None:
    class Unreached(Identity):
        def generate(self, x: Tensor, ctx: Context) -> View:
            raise AssertionError("there is nothing to work on")

    view = chain(LPA3(ratio=0), Unreached()).generate(torch.rand(8, 3, 8, 8), context(8))
    assert view.x.shape == (0, 3, 8, 8)
    assert view.rows.tolist() == []


def test_two_augmenters_in_sequence_are_the_two_one_after_the_other() -> None:
    x = torch.rand(16, 3, 8, 8)
    ctx = replace(context(16), draws=Draws(4))
    both = chain(RandAugment(), Cutout()).generate(x, ctx)
    ctx = replace(ctx, draws=Draws(4))
    assert torch.equal(both.x, Cutout().generate(RandAugment().generate(x, ctx).x, ctx).x)


# ------------------------------------------------------------------------------------- model and BatchNorm
@pytest.mark.parametrize(
    ("members", "needs_model", "domain", "soft"),
    [
        ((RandAugment(),), False, "main", False),
        ((RandAugment(), LPA3()), True, "aux", False),
        ((LPA3(domain="main"), Cutout()), True, "main", False),
        ((RandAugment(), Identity(domain="aux")), False, "aux", False),
        ((CutMix(), RandAugment()), False, "main", True),
        ((chain(CutMix()), chain(LPA3())), True, "aux", True),
    ],
)
def test_it_needs_what_a_member_needs(members: Any, needs_model: bool, domain: str, soft: bool) -> None:
    compose = chain(*members)
    assert (compose.needs_model, compose.bn_domain, compose.soft_targets) == (needs_model, domain, soft)


@pytest.mark.parametrize("other", [LPA3(domain="main"), chain(LPA3(domain="main"))])
def test_two_batchnorm_domains_do_not_go_together(other: Augmenter) -> None:
    name = type(other).__name__
    said = rf"^augmenters: must work in one BatchNorm domain, not in aux \(Identity\) and main \({name}\)$"
    with pytest.raises(ValueError, match=said):
        chain(Identity(domain="aux"), other)


def test_empty_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^augmenters: must name one at least$"):
        Compose(augmenters=())


MAKES: list[tuple[SlotName, Callable[[], Compose]]] = [
    ("view", lambda: chain(RandAugment(), CutMix(probability=1))),
    ("view", lambda: chain(CutMix(), RandAugment(recipe="torchvision"), Cutout())),
    ("view", lambda: chain(Cutout(), LPA3(ratio=1.0, domain="main", iterations=1))),
    ("positives", lambda: chain(RandAugment(), LPA3(ratio=0.5, iterations=1))),
    ("positives", lambda: chain(LPA3(ratio=0.5, iterations=1), LPA3(ratio=0.5, iterations=1), Cutout())),
    ("positives", lambda: chain(LPA3(ratio=0.5, select="dataset", iterations=1), CutMix(probability=1))),
]


@pytest.mark.parametrize(("slot", "make"), MAKES)
def test_it_holds_to_the_laws_of_augmenters(slot: SlotName, make: Callable[[], Compose]) -> None:
    testing.check_augmenter(make, slot)


@pytest.mark.parametrize(("slot", "make"), MAKES)
def test_a_run_with_it_resumes_bit_for_bit(slot: SlotName, make: Callable[[], Compose]) -> None:
    testing.check_resume(lambda: Supervised(batch_size=16), make, slot)


def test_members_are_saved_one_by_one() -> None:
    bound: Any = {"positives": chain(LPA3(ratio=0.5), Cutout(), LPA3(ratio=0.5))}
    experiment = Experiment(task=Bystander(), dataset=TinySet(), backbone=TinyNet, epochs=1, **bound)
    state = environment(experiment).views.state_dict()["augmenters"]["positives/net"]
    first, second, third = state["augmenters"]
    assert set(first) == set(third) == {"bank", "pass_no"}
    assert second == {}
    assert first["bank"]["scores"].data_ptr() != third["bank"]["scores"].data_ptr()


def test_epochs_are_told_to_every_member() -> None:
    class Counting(Identity):
        epoch = -1

        def begin_epoch(self, epoch: int) -> None:
            self.epoch = epoch

    members = Counting(), Counting()
    chain(*members).begin_epoch(3)
    assert [member.epoch for member in members] == [3, 3]


# ------------------------------------------------------------------------------------------- what it says
def test_describe_names_the_members_and_what_they_say() -> None:
    lines = chain(RandAugment(), Cutout()).describe().splitlines()
    assert lines[0] == "0: RandAugment"
    assert lines[1] == "  fixmatch: 2 of 14 operators per image, drawn with replacement"
    assert lines[-1] == "1: Cutout"


def test_members_say_where_it_makes_no_sense() -> None:
    class Picky(Identity):
        def unsupported(self, spec: DatasetSpec, slot: Slot) -> str | None:
            return f"not in slot {slot}"

    assert chain(RandAugment(), Cutout()).unsupported(SPEC, SLOTS["view"]) is None
    why = chain(Picky(), RandAugment(), Cutout(side=8)).unsupported(SPEC, SLOTS["strong"])
    assert why is not None
    assert why.startswith("Picky: not in slot strong; Cutout: a box of 8 pixels hides")


@pytest.mark.parametrize(
    ("slot", "members", "said"),
    [
        ("view", (RandAugment(), LPA3(ratio=1.0)), "^run.view: Compose works in the auxiliary BatchNorm"),
        ("view", (LPA3(domain="main"),), "^run.view: Compose: LPA3: slot view needs a view of every image"),
        ("strong", (CutMix(),), "^run.strong: Compose makes targets of its own, which Bystander cannot use"),
    ],
)
def test_it_is_refused_where_a_member_would_be(slot: SlotName, members: Any, said: str) -> None:
    class Hard(Bystander):
        soft_slots = ()

    Hard.__name__ = "Bystander"
    bound: Any = {slot: chain(*members)}
    experiment = Experiment(task=Hard(), dataset=TinySet(), backbone=TinyNet, epochs=1, **bound)
    with pytest.raises(ConfigError, match=said):
        refuse_nonsense(experiment)
