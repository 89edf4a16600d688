"""Experiments on the tiny set, trained step by step without the runner, for tests that look inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

from lpa3bench.api import Step, Task, TrainLabels
from lpa3bench.environment import Environment
from lpa3bench.experiment import Experiment
from lpa3bench.testing import TinyNet, TinySet, environment


def begin(
    task: Task, *, epochs: int = 3, seed: int = 0, labels: TrainLabels | None = None, **more: Any
) -> Environment:
    """The environment of an experiment whose task is set up; `more` are fields of the experiment."""
    env = environment(Experiment(task=task, dataset=TinySet(), backbone=TinyNet, epochs=epochs, **more), seed)
    if labels is not None:
        env.labels = labels
    task.setup(env)
    return env


def steps(task: Task, env: Environment, epochs: Iterable[int]) -> Iterator[tuple[Step, dict[str, Tensor]]]:
    """Train as the runner does; each step and its logs, after the update."""
    for epoch in epochs:
        env.clock.epoch = epoch
        env.views.begin_epoch(epoch)
        task.begin_epoch(epoch)
        for step in task.batches(epoch):
            logs = task.update(step, env.views)
            env.clock.step += 1
            yield step, logs
        task.end_epoch(epoch)
        env.alarm.check()


def train(task: Task, env: Environment, epochs: Iterable[int]) -> list[tuple[Step, dict[str, Tensor]]]:
    """All of `steps`."""
    return [*steps(task, env, epochs)]
