"""Where fingerprints are taken: the real environment in float64, on one thread, around small experiments.

Images, orders and small draws are what they are in a run. Networks are built in double precision, images are
widened as they leave the store, and what an augmenter or a task keeps in float32 is kept in double here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Backbone, Context, DatasetSpec, Env, Slot, Split, Task, TrainLabels, View
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.nn.bank import ConsistencyBank
from lpa3bench.runtime.seeding import Draws
from lpa3bench.testing import SPEC, TinyNet, TinySet
from lpa3bench.testing.short_training import steps
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.infomin import InfoMinStyle
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.augmenters.lpa3fast import LPA3Fast, Memory
from numerics.fingerprints import Numbers, size

SIDE = 32
SEED = 5
STEEPER = 8


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def float64() -> Iterator[None]:
    """Modules that are built inside the block have double precision, and start from numbers drawn in it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class NamedNet(TinyNet):
    """The kit's network with names by which FixMatch tells what decays."""

    @staticmethod
    def _stage(in_channels: int, channels: int, stride: int) -> torch.nn.Module:
        conv, bn, act = TinyNet._stage(in_channels, channels, stride).children()
        return torch.nn.Sequential(OrderedDict(conv=conv, bn=bn, act=act))


def double_net(**given: Any) -> Backbone:
    """It in double precision, with a steeper head: a network that was trained is not flat either."""
    with float64(), torch.no_grad():
        net = NamedNet(**given)
        net.head.weight.mul_(STEEPER)
        return net


# ----------------------------------------------------------------------------------------------- the stage
class Pictures(TinySet):
    """24 images of 32×32 in which operators show: a bright disc on a slope of colours, under noise."""

    @property
    def spec(self) -> DatasetSpec:
        return replace(SPEC, name="Pictures", size=SIDE)

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        place, labels = torch.arange(SIDE), torch.arange(24) % SPEC.num_classes
        centre = Draws(9).integers((24, 2, 1, 1), 8, 24)
        apart = (place.view(-1, 1) - centre[:, :1]) ** 2 + (place - centre[:, 1:]) ** 2
        disc = 10 * (8 - apart // 8).clamp_min(0) * torch.tensor([1, 0, 2]).view(3, 1, 1)
        slope = 5 * place.view(-1, 1) + torch.tensor([0, 30, 60]).view(3, 1, 1)
        images = slope + disc + Draws(8).integers((24, 3, SIDE, SIDE), 0, 20)
        split = Split(images.clamp(0, 255).to(torch.uint8), labels)
        return {"train": split, "test": split}


class DoubleEnvironment(Environment):
    """The real one, whose images are in double precision."""

    def weak(self, index: Tensor) -> Tensor:
        return super().weak(index).double()

    def images(self, index: Tensor) -> Tensor:
        return super().images(index).double()


class DoubleLPA3(LPA3):
    """Its memory is kept in double precision."""

    def setup(self, env: Env) -> None:
        super().setup(env)
        if self.bank is not None:
            classes = env.spec.num_classes
            self.bank = ConsistencyBank(env.size, classes, flavour=self.tcs, dtype=torch.float64)


class DoubleLPA3Fast(LPA3Fast):
    """Its memory is kept in double precision."""

    def setup(self, env: Env) -> None:
        with float64():
            self.memory = Memory(env.size, env.spec, storage=torch.float64)


class DoubleInfoMin(InfoMinStyle):
    """What it learns with is kept in double precision."""

    def setup(self, env: Env) -> None:
        with float64():
            super().setup(env)

    def generate(self, x: Tensor, ctx: Context) -> View:
        with float64():
            return super().generate(x, ctx)


def noisy(clean: Tensor) -> TrainLabels:
    """Every fifth label is wrong."""
    wrong = torch.arange(len(clean)) % 5 == 0
    return TrainLabels(torch.where(wrong, (clean + 1) % SPEC.num_classes, clean), torch.ones_like(wrong))


def few(clean: Tensor) -> TrainLabels:
    """Every fourth image has a label."""
    return TrainLabels(clean, torch.arange(len(clean)) % 4 == 0)


def begin(
    task: Task,
    slots: dict[Slot, Augmenter] | None = None,
    *,
    epochs: int,
    labels: Callable[[Tensor], TrainLabels] = noisy,
    dataset: type[TinySet] = TinySet,
) -> DoubleEnvironment:
    """The environment of a task that is set up."""
    bound: Any = slots or {}
    experiment = Experiment(task=task, dataset=dataset(), backbone=double_net, epochs=epochs, **bound)
    spec, train = experiment.spec, dataset().load(Path())["train"]
    cpu = torch.device("cpu")
    store = ImageStore(train.images, spec.weak, cpu)
    env = DoubleEnvironment(
        experiment, spec=spec, store=store, labels=labels(train.labels), seed=SEED, device=cpu
    )
    task.setup(env)
    for name in task.saved:  # what a task keeps of the labels
        held = getattr(task, name)
        if isinstance(held, Tensor) and held.is_floating_point():
            setattr(task, name, held.double())
    return env


# ----------------------------------------------------------------------------------------------- what is seen
def trained(task: Task, env: DoubleEnvironment) -> Numbers:
    """Train to the end as the runner does: what every step logs, and what is there after every epoch."""
    logs: dict[str, list[float]] = {}
    numbers: Numbers = {"phases": []}
    start = {name: [p.detach().clone() for p in model.parameters()] for name, model in env.models.items()}
    for epoch in range(env.epochs):
        for step, logged in steps(env, task, epoch):
            numbers["phases"].append(step.phase)
            for name, value in logged.items():
                logs.setdefault(name, []).append(float(value))
        for name, model in env.models.items():
            now = zip(model.parameters(), start[name], strict=True)
            numbers[f"{name} after epoch {epoch}"] = size(*(p - before for p, before in now))
            numbers[f"{name} statistics after epoch {epoch}"] = size(*statistics(model))
    numbers |= {f"logged {name}": values for name, values in sorted(logs.items())}
    kept = [value for name in task.saved if isinstance(value := getattr(task, name), Tensor)]
    if kept:
        numbers["kept by the task"] = size(*kept)
    with env.evaluating():
        numbers["predicted"] = size(task.predict(env.images(torch.arange(12))))
    numbers["image passes"] = env.passes.as_record()
    return numbers


def viewed(env: DoubleEnvironment, slot: Slot, *, batch: int = 8, passes: int = 2) -> Numbers:
    """What the augmenter in a slot makes of the training set, batch by batch, and what it keeps."""
    net = env.models["net"]
    target = torch.nn.functional.one_hot(env.labels.given, env.spec.num_classes).double()
    numbers: Numbers = {"rows": [], "domain": None}
    info: dict[str, list[float]] = {}
    for epoch in range(passes):
        env.clock.epoch = epoch
        env.views.begin_epoch(epoch)
        for place, index in enumerate(torch.split(torch.arange(env.size), batch)):
            x = env.images(index)
            view = env.views(slot, net, x, index=index, target=target[index], pass_no=epoch)
            assert view is not None
            name = f"{epoch}.{place}"
            numbers["rows"].append(view.rows.tolist())
            numbers["domain"] = view.domain
            numbers[f"views {name}"] = size(view.x)
            numbers[f"moved {name}"] = size(view.x - x[view.rows])
            if view.target is not None:
                numbers[f"targets {name}"] = size(view.target)
            for key, value in view.info.items():
                info.setdefault(key, []).append(float(value))
            env.clock.step += 1
    env.alarm.check()
    numbers |= {f"info {key}": values for key, values in sorted(info.items())}
    numbers |= {f"kept {i}": size(held) for i, held in enumerate(tensors_in(env.views.state_dict()))}
    numbers["statistics"] = size(*statistics(net))
    return numbers


def statistics(model: torch.nn.Module) -> list[Tensor]:
    """The running statistics of all its BatchNorms, the auxiliary ones included."""
    return [value for name, value in model.state_dict().items() if "running" in name]


def tensors_in(state: Any) -> Iterator[Tensor]:
    """Every tensor of numbers in a state dict, in order."""
    if isinstance(state, Tensor) and state.is_floating_point():
        yield state
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    for part in parts:
        yield from tensors_in(part)
