"""Published cells at work on made-up images: a real environment and task, stepped in their last phase."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch

from lpa3bench.api import Backbone, LabelContext, Phase, Step, Task, TrainLabels
from lpa3bench.config import load_config
from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import DataError
from lpa3bench.plugin import registry
from lpa3bench.runtime.paths import resolve_config
from lpa3bench.runtime.seeding import Draws
from lpa3bench.training.dry_run import _LATE
from lpa3bench.training.environment import Environment
from lpa3bench.training.history import Means
from lpa3bench.training.training_data import training_store
from lpa3bench_plugins.backbones.smallnet import SmallNet
from lpa3bench_plugins.datasets.synthetic import Synthetic
from lpa3bench_plugins.tasks import pes

IMAGES, TOY_IMAGES = 4096, 256
TOY_BATCH = 4


class Cell(NamedTuple):
    """A published config."""

    config: str
    setting: str
    arms: dict[str, tuple[str, ...] | None]
    """By name: bindings over the LP-A3 overlay; None: no augmenter in slot `positives`."""

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"{self.config} {self.setting}"


NONE, LPA3 = "none", "LP-A3"
PLAIN: dict[str, tuple[str, ...] | None] = {NONE: None, LPA3: ()}
BY_BATCH = ("LPA3.select='batch'",)
"""FixMatch's files bind the released selection, which waits for the device; this is the paper's."""
FIXMATCH: dict[str, tuple[str, ...] | None] = {NONE: None, LPA3: BY_BATCH}
ALL = (
    Cell(
        "cifar10_fixmatch",
        "labels40",
        {
            **FIXMATCH,
            "LP-A3, ratio 0.3": (*BY_BATCH, "LPA3.ratio=0.3"),
            "LP-A3, as released": (),
        },
    ),
    Cell("cifar100_pes", "sym90", PLAIN),
    Cell("cifar100_fixmatch", "labels400", FIXMATCH),
    Cell("cifar10_dividemix", "sym90", PLAIN),
    Cell("breastmnist_supervised", "resnet18", PLAIN),
    Cell("breastmnist_supervised", "resnet50", PLAIN),
    Cell("cifar10_mixup", "sym90", PLAIN),
    Cell("cifar10_pcorrection", "sym90", PLAIN),
    Cell("cifar10_mcorrection", "sym90", PLAIN),
    Cell("stl10_fixmatch", "stl10_paper", FIXMATCH),
)
"""Every task, those first whose speed is a goal."""
GOALS = ALL[:2]
"""FixMatch and PES at CIFAR size."""
QUICK = 3
"""So many of them suffice for a quick look."""


def one_of_each_task() -> list[Cell]:
    """The first cell of every task, in order."""
    by_task: dict[str, Cell] = {}
    for cell in ALL:
        by_task.setdefault(cell.config.split("_")[1], cell)
    return list(by_task.values())


def experiment(cell: Cell, arm: str, *, bindings: Sequence[str] = (), toy: bool) -> Experiment:
    """One arm of a cell, with more bindings; `toy`: a small batch and a small network."""
    of_arm = cell.arms[arm]
    overlays = [] if of_arm is None else ["augmenters/lpa3"]
    config = load_config(
        [resolve_config(name) for name in (cell.config, *overlays)],
        setting=cell.setting,
        bindings=[*(of_arm or ()), *bindings],
        registry=registry.load_registry(),
    )
    made = config.experiment()
    if not toy:
        return made
    made.task.batch_size = TOY_BATCH
    return replace(made, backbone=partial(SmallNet, width=4))


def training_set(
    made: Experiment, count: int, device: torch.device
) -> tuple[Any, TrainLabels]:  # Any: an ImageStore
    """Made-up images with classes that can be learned, and the labels that the experiment makes of them."""
    spec = made.spec
    images, clean = _images(made.dataset.spec.size, spec.channels, spec.num_classes, min(count, IMAGES))
    repeats = -(-count // len(clean))
    images, clean = images.repeat(repeats, 1, 1, 1)[:count], clean.repeat(repeats)[:count]
    labels = TrainLabels(clean.to(device), torch.ones(count, dtype=torch.bool, device=device))
    if made.labels is not None:
        ctx = LabelContext(num_classes=spec.num_classes, draws=Draws(0), root=Path(), seed=0)
        try:
            given = made.labels.apply(clean, ctx)
            labels = TrainLabels(given.given.to(device), given.labelled.to(device))
        except (DataError, ValueError):  # labels of real images only: every tenth is labelled
            labels.labelled[:] = torch.arange(count, device=device) % 10 == 0
    return training_store(images, spec, device, made.resize), labels


@lru_cache(maxsize=4)
def _images(size: int, channels: int, classes: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    split = Synthetic(size=size, channels=channels, num_classes=classes, train=count).load(Path())["train"]
    return split.images, split.labels


def _every_second(mean: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """In place of PES's split: what its step costs depends on it, and the config's cost is that of halves."""
    return torch.arange(len(given), device=given.device) % 2 == 0


class Stage:
    """An experiment that is ready to step in its last phase, which is where LP-A3 is at work.

    Args:
        made: the experiment.
        device: where.
        images: how many the made-up training set holds.
        kind: the environment's class.
    """

    def __init__(
        self,
        made: Experiment,
        device: torch.device,
        *,
        images: int,
        kind: type[Environment] = Environment,
    ) -> None:
        store, labels = training_set(made, images, device)
        self.env = kind(made, spec=made.spec, store=store, labels=labels, seed=0, device=device)
        self.env.clock.step = _LATE  # no augmenter is warming up
        self.task: Task = made.task
        self.task.setup(self.env)
        self.phase: Phase = self.task.phases(made.epochs)[-1]
        self._means = Means()
        self._steps = self._endless()
        self._at: tuple[int, ...] = ()
        self.began = True
        """Whether the last step began an epoch or a pass over data, with work that is no part of a step."""
        self.images = 0
        """Training images in the last step."""
        self.logs: dict[str, Any] = {}
        """Of the last step."""

    def advance(self) -> None:
        """One step, with what the training loop does around it but for its files."""
        with mock.patch.object(pes, "confident", _every_second):  # where PES makes its split
            step = next(self._steps)
        env = self.env
        at = (env.clock.epoch, *(batch.pass_no for batch in step.batches))
        self.began, self._at = at != self._at, at
        env.views.info.clear()
        logs = self.logs = self.task.update(step, env.views) | env.views.info
        self._means.add(logs)
        env.alarm.note("the loss is NaN or infinite", ~torch.isfinite(logs["loss"]), env.clock.step)
        env.clock.step += 1
        self.images = sum(len(batch.index) for batch in step.batches)

    def forwards(self) -> int:
        """Image-forwards of one step, which is made."""
        before = self.env.passes.total()
        self.advance()
        return self.env.passes.total() - before

    def backbone(self) -> Backbone:
        """The network, or the first of them."""
        network: Any = next(iter(self.env.models.values()))
        backbone: Backbone = network.backbone
        return backbone

    def _endless(self) -> Iterator[Step]:
        for epoch in itertools.count(self.phase.first_epoch):
            self.env.clock.epoch = epoch
            self.env.views.begin_epoch(epoch)
            self.task.begin_epoch(epoch)
            yield from (step for step in self.task.batches(epoch) if step.phase == self.phase.name)


def stage(
    cell: Cell,
    arm: str,
    device: torch.device,
    *,
    toy: bool,
    bindings: Sequence[str] = (),
    images: int | None = None,
    change: Callable[[Experiment], Experiment] = lambda made: made,
    kind: type[Environment] = Environment,
) -> Stage:
    """A stage for one arm of a cell; `change` is made to the experiment at last."""
    made = change(experiment(cell, arm, bindings=bindings, toy=toy))
    return Stage(made, device, images=images or (TOY_IMAGES if toy else IMAGES), kind=kind)
