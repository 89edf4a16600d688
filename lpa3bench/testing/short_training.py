"""Training on the tiny set as the runner does it, and what a stop in between must not change."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Backbone, SlotName, Step, Task
from lpa3bench.config.experiment import Experiment
from lpa3bench.testing.differences import assert_same, fresh_globals
from lpa3bench.testing.tiny import TinyNet, TinySet, environment
from lpa3bench.training.environment import Environment

TRIED_EPOCHS = 3
_LONGEST = 24
"""Steps after which an epoch is cut short: a task may count its epochs in thousands of them."""


def set_up(
    task: Task,
    slots: dict[SlotName, Augmenter] | None = None,
    *,
    seed: int = 0,
    epochs: int = TRIED_EPOCHS,
    backbone: Callable[..., Backbone] = TinyNet,
    dataset: type[TinySet] = TinySet,
    **more: Any,
) -> Environment:
    """The environment of a task that is set up; `more` are fields of the experiment."""
    bound: Any = {**(slots or {}), **more}
    experiment = Experiment(task=task, dataset=dataset(), backbone=backbone, epochs=epochs, **bound)
    env = environment(experiment, seed)
    task.setup(env)
    return env


def steps(env: Environment, task: Task, epoch: int) -> Iterator[tuple[Step, dict[str, Tensor]]]:
    """Train for one epoch as the runner does; each step and what its update logged."""
    env.clock.epoch = epoch
    env.views.begin_epoch(epoch)
    task.begin_epoch(epoch)
    for step in islice(task.batches(epoch), _LONGEST):
        logs = task.update(step, env.views)
        env.clock.step += 1
        yield step, logs
    task.end_epoch(epoch)
    env.alarm.check()


def train_epoch(env: Environment, task: Task, epoch: int) -> None:
    for _ in steps(env, task, epoch):
        pass


def check_resume(
    make_task: Callable[[], Task],
    make_augmenter: Callable[[], Augmenter] | None = None,
    slot: SlotName = "positives",
    epochs: int = TRIED_EPOCHS,
    **more: Any,
) -> None:
    """Training that is saved and loaded into fresh objects before every epoch ends with the same bits.

    Args:
        make_task, make_augmenter: build fresh ones; the augmenter is bound in `slot`.
        more: fields of the experiment.

    Raises:
        AssertionError: something is missing in `saved`, or cannot be saved.
    """

    def fresh() -> tuple[Environment, Task]:
        task = make_task()
        slots = {} if make_augmenter is None else {slot: make_augmenter()}
        return set_up(task, slots, epochs=epochs, **more), task

    with fresh_globals():
        straight = fresh()
        for epoch in range(epochs):
            train_epoch(*straight, epoch)
    with fresh_globals():
        stopped = fresh()
        for epoch in range(epochs):
            stored = io.BytesIO()
            torch.save([stopped[0].state_dict(), stopped[1].state_dict()], stored)
            stored.seek(0)
            stopped = fresh()
            env_state, task_state = torch.load(stored, weights_only=True)
            stopped[0].load_state_dict(env_state)
            stopped[1].load_state_dict(task_state)
            train_epoch(*stopped, epoch)
    assert_same(straight[0].state_dict(), stopped[0].state_dict(), "environment")
    assert_same(straight[1].state_dict(), stopped[1].state_dict(), "task")
