"""Experiments on the tiny set, trained step by step without the runner, for tests that look inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Context, Domain, Step, Task, TrainLabels, View
from lpa3bench.config.experiment import Experiment
from lpa3bench.testing import COUNT, TinyNet, TinySet, environment
from lpa3bench.training.environment import Environment

ROWS = torch.tensor([1, 3, 4])
"""The images of a batch that `Darker` takes."""


class Darker(Augmenter):
    """Three images of a batch, half as bright, through the auxiliary BatchNorm; remembers its targets."""

    bn_domain = "aux"
    targets: list[Tensor] = []  # noqa: RUF012 (shared on purpose: every run has a copy of the augmenter)

    def generate(self, x: Tensor, ctx: Context) -> View:
        assert ctx.target is not None
        self.targets.append(ctx.target)
        return View(x[ROWS] / 2, ROWS)


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


def batches_seen(env: Environment, domain: Domain) -> set[int]:
    """How many batches each BatchNorm of one domain has seen in training."""
    state = env.models["net"].state_dict().items()
    counts = {name: int(value) for name, value in state if name.endswith("num_batches_tracked")}
    return {count for name, count in counts.items() if (".aux." in name) == (domain == "aux")}


def assert_two_passes(env: Environment, iterations: int, ratio: float) -> None:
    """What one forward pass an image and LP-A3 as positives count in two epochs of the whole tiny set."""
    images, chosen = 2 * COUNT, int(2 * COUNT * ratio)
    assert env.passes.as_record() == {
        "task": {"forward": images, "backward_weights": images, "backward_image": 0},
        "positives/loss": {"forward": chosen, "backward_weights": chosen, "backward_image": 0},
        "positives/search": {
            "forward": images + 2 * iterations * chosen,
            "backward_weights": 0,
            "backward_image": iterations * chosen,
        },
    }
