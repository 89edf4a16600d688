"""A task in training, alone or with an augmenter bound, and the laws of what is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Labels, SlotName, Task
from lpa3bench.errors import ConfigError
from lpa3bench.testing.differences import (
    assert_same,
    attempt,
    changed,
    fresh_globals,
    global_draws,
    outcome_of,
    weights_of,
)
from lpa3bench.testing.laws import NotApplicable
from lpa3bench.testing.short_training import TRIED_EPOCHS, check_resume, set_up, steps
from lpa3bench.testing.subject import Observation, Subject
from lpa3bench.testing.tiny import SPEC, TinyLabels
from lpa3bench.training.environment import Environment
from lpa3bench.types import SLOTS, steps_in

PREDICTED = 5
"""Images that are predicted."""


@dataclass
class TrainingSeen(Observation):
    """A training, and what it left behind."""

    logs: list[dict[str, Any]] = field(default_factory=list)
    orders: list[list[list[int]]] = field(default_factory=list)
    """Of the first epoch: the places of each batch of each step."""
    draws: dict[str, Tensor] = field(default_factory=dict)
    """After the first epoch: the state of what orders and weak views are drawn from, by name."""
    unannounced: set[str] = field(default_factory=set)
    """Phases that steps name and `phases` does not."""
    lengths: list[tuple[int, int]] = field(default_factory=list)
    """Of each epoch: the steps that `phases` plans, and those that it had before it was cut short."""
    start: list[dict[str, Tensor]] = field(default_factory=list)
    trained: bool = False
    unused: list[str] = field(default_factory=list)
    predicted: Tensor | None = None
    moved_by_predict: list[str] = field(default_factory=list)


class TaskSubject(Subject[TrainingSeen]):
    """A task, alone or with an augmenter in one of its slots. `make` and `augmenter` build fresh ones."""

    results = "trainings"

    def __init__(
        self,
        make: Callable[[], Task],
        slot: SlotName | None = None,
        augmenter: Callable[[], Augmenter] | None = None,
        alone: TaskSubject | None = None,
    ) -> None:
        self.make, self.slot, self.augmenter, self.alone = make, slot, augmenter, alone

    @property
    def training(self) -> TaskSubject:
        """Itself; an augmenter is held to the same laws by a task that it is bound to."""
        return self

    @cached_property
    def labels(self) -> Labels:
        """A label for every image; for every second one where the task refuses that."""
        return TinyLabels(partial=data_refusal(self.make, TinyLabels()) is not None)

    def begin(self, seed: int = 0) -> tuple[Environment, Task]:
        task = self.make()
        slots = {self.slot: self.augmenter()} if self.slot and self.augmenter else {}
        return set_up(task, slots, seed=seed, labels=self.labels), task

    def start(self) -> None:
        """Set it up, and ask what it is for."""
        unknown = [slot for slot in self.make().slots if slot not in SLOTS]
        assert not unknown, f"there is no slot {unknown[0]!r}; slots are {', '.join(SLOTS)}"
        _, task = self.begin()
        reason = task.unsupported(SPEC, self.labels)
        assert reason is None or isinstance(reason, str), f"unsupported returns a {type(reason).__name__}"

    def see(self, seed: int) -> TrainingSeen:
        """Train, then predict."""
        seen = TrainingSeen(drew=True)
        with fresh_globals(), global_draws(seen.global_draws):
            seen.raised = attempt(lambda: self._train(seen, seed))
        seen.result = [seen.orders, seen.logs]
        return seen

    def _train(self, seen: TrainingSeen, seed: int) -> None:
        env, task = self.begin(seed)
        plan = task.phases(TRIED_EPOCHS)
        phases = {phase.name for phase in plan}
        nets = [env.models[name] for name in task.models]
        seen.start = [weights_of(net) for net in nets]
        for epoch in range(TRIED_EPOCHS):
            before = len(seen.logs)
            for step, logs in steps(env, task, epoch):
                seen.logs.append(logs)
                seen.unannounced |= {step.phase} - phases
                if epoch == 0:
                    seen.orders.append([batch.index.tolist() for batch in step.batches])
            seen.lengths.append((steps_in(plan, epoch), len(seen.logs) - before))
            if epoch == 0:
                states = env.state_dict()["draws"]
                seen.draws = {n: s["host"] for n, s in states.items() if n.startswith(("order/", "weak"))}
        seen.trained = any(changed(net, before) for net, before in zip(nets, seen.start, strict=True))
        seen.unused = env.views.unused()
        ended = [weights_of(net) for net in nets]
        with env.evaluating():
            seen.predicted = task.predict(env.images(torch.arange(PREDICTED)))
        moved = (changed(net, before) for net, before in zip(nets, ended, strict=True))
        seen.moved_by_predict = [name for names in moved for name in names]


class HasTraining(Protocol):
    """A subject that trains, or that something trains on."""

    @property
    def training(self) -> TaskSubject: ...


def data_refusal(make: Callable[[], Task], labels: Labels) -> str | None:
    """Why the task is not for the tiny data set with these labels; None where it is, or cannot even say."""
    error = attempt(lambda: set_up(make(), labels=labels))
    reason = outcome_of(lambda: make().unsupported(SPEC, labels))
    if reason and isinstance(reason, str):
        return reason
    return str(error) if isinstance(error, ConfigError) else None


# ------------------------------------------------------------------------------------------------ the laws
def three_updates(subject: HasTraining) -> None:
    """Training goes through three epochs of updates without raising."""
    seen = subject.training.first
    if seen.raised is not None:
        raise seen.raised.__cause__ or seen.raised
    assert seen.logs, "`batches` yields no step"


def finite_loss(subject: HasTraining) -> None:
    """Every update returns 0-d tensors, among them a finite "loss"."""
    for logs in subject.training.first.reached().logs:
        assert "loss" in logs, 'update returns no "loss"'
        for name, value in logs.items():
            assert isinstance(value, Tensor), f"{name} is a {type(value).__name__}, not a tensor"
            assert value.ndim == 0, f"{name} is not a 0-d tensor"
            assert bool(torch.isfinite(value)), f"{name} is {float(value)}"


def pairing(subject: HasTraining) -> None:
    """Binding an augmenter moves neither the first weights nor the order of the data."""
    training = subject.training
    plain, bound = trained_alone(training).first.reached(), training.first.reached()
    assert_same(bound.start, _main(plain.start, bound.start), "the first weights with it: network")
    moved = f"binding slot {training.slot} moves the order of the data"
    for name, state in plain.draws.items():
        assert torch.equal(state, bound.draws[name]), f"{moved}, drawn from {name!r}"
    assert bound.orders == plain.orders, moved


def _main(plain: list[dict[str, Tensor]], like: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """The weights of `plain`, with the auxiliary BatchNorms of `like`, which draw nothing."""
    return [
        {name: one.get(name, value) for name, value in other.items()}
        for one, other in zip(plain, like, strict=True)
    ]


def trained_alone(training: TaskSubject) -> TaskSubject:
    """The task without any augmenter."""
    if training.alone is None:
        raise NotApplicable("nothing is bound")
    if training.alone.refused is not None:
        raise NotApplicable("it does not train alone")
    return training.alone


def resume(subject: HasTraining) -> None:
    """Training that is stopped and goes on ends with the same bits."""
    training = subject.training
    training.first.reached()
    check_resume(training.make, training.augmenter, training.slot or "positives", labels=training.labels)
