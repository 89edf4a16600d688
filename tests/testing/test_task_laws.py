"""The conformance kit on tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from support.law_findings import OneSlot, broken, failed
from torch import Tensor

from lpa3bench import testing
from lpa3bench.api import Env, Labels, Phase, Step, Task
from lpa3bench.errors import ConfigError
from lpa3bench.testing import TinyTask
from lpa3bench.testing.laws import findings_of
from lpa3bench.testing.short_training import _LONGEST
from lpa3bench.testing.tasks import TASK_LAWS
from lpa3bench.testing.training_subject import TaskSubject


def test_the_kits_own_task_keeps_the_laws() -> None:
    testing.check_task(TinyTask)


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
    assert broken(testing.try_task(make)) == laws


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

    assert broken(testing.try_task(SemiSupervised)) == set()


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

    assert broken(testing.try_task(make)) == {"initialise"}


class Undecided(OneSlot):
    def unsupported(self, spec: Any, labels: Labels) -> str | None:
        raise KeyError("kind")


class Yes(OneSlot):
    def unsupported(self, spec: Any, labels: Labels) -> Any:
        return True


class Slotless(OneSlot):
    slots = None  # type: ignore[assignment]


class Misspelt(OneSlot):
    slots = ("veiw",)  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Undecided, "KeyError: 'kind'"),
        (Yes, "unsupported returns a bool"),
        (Slotless, "TypeError: 'NoneType' object is not iterable"),
        (Misspelt, "there is no slot 'veiw'; slots are view, strong, positives"),
    ],
)
def test_what_a_task_says_of_itself(make: Any, told: str) -> None:
    found = failed(testing.try_task(make))
    assert found.keys() == {"initialise"}
    assert told in found["initialise"]


def planned(steps: int, real: int) -> type[Task]:
    """A task that announces so many steps per epoch and has so many."""

    class Planned(OneSlot):
        def phases(self, epochs: int) -> tuple[Phase, ...]:
            return (Phase("train", 0, steps),)

        def batches(self, epoch: int) -> Iterator[Step]:
            for i in range(real):
                yield Step("train", (self.sampler.next(),), epoch + i / real)

    return Planned


@pytest.mark.parametrize(
    ("steps", "real", "told"),
    [
        (999, 3, "999 steps are announced for epoch 0, which has 3"),
        (1, 5, "1 steps are announced for epoch 0, which has 5"),
        (5, _LONGEST + 1, f"5 steps are announced for epoch 0, which has {_LONGEST} or more"),
        (12, 3, None),
        (1, 4, None),
        (1024, _LONGEST + 1, None),  # cut short: it may have had them
    ],
)
def test_the_plan_of_a_task(steps: int, real: int, told: str | None) -> None:
    law = next(law for law in TASK_LAWS if law.name == "phases")
    (finding,) = findings_of("", [law], TaskSubject(planned(steps, real)))
    assert (finding.outcome, finding.reason) == (("FAILED", told) if told else ("passed", ""))
