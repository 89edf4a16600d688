"""Small plugins of every kind for the tests of configs; also a plugin file for `--plugin`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from lpa3bench import hookimpl
from lpa3bench.api import (
    Augmenter,
    Backbone,
    Context,
    Dataset,
    DatasetSpec,
    Env,
    LabelContext,
    Labels,
    LabelSet,
    Output,
    Phase,
    Split,
    Step,
    Task,
    View,
    ViewFunction,
)  # fmt: skip
from lpa3bench.plugin.registry import Entry, Registry
from lpa3bench_plugins.metrics.accuracy import Accuracy
from lpa3bench_plugins.metrics.balancedaccuracy import BalancedAccuracy
from lpa3bench_plugins.metrics.brier import Brier
from lpa3bench_plugins.metrics.ece import ECE
from lpa3bench_plugins.metrics.macroauc import MacroAUC
from lpa3bench_plugins.metrics.nll import NLL

WHOLE = """\
run.task = @tasks.ToyTask()
run.settings = ("low", "high")
run.setting = "low"
run.dataset = @datasets.ToyData()
run.backbone = @backbones.ToyNet
run.labels = @labels.ToyNoise()
run.positives = @augmenters.ToyAttack()
run.epochs = 3
low/ToyNoise.rate = 0.2
high/ToyNoise.rate = 0.8
"""
"""A whole config with two settings."""


class ToyTask(Task):
    slots = ("view", "positives")

    def __init__(
        self,
        *,
        batch_size: int = 8,
        lr: float = 0.1,
        weight: float = 25.0,
        milestones: tuple[float, ...] = (0.5, 0.75),
        optimizer: Literal["adam", "sgd"] = "adam",
        frozen: bool = True,
        steps: int | None = None,
        notes: dict[str, float] | None = None,
    ) -> None:
        if lr <= 0:
            raise ValueError(f"lr: must be > 0, not {lr}")
        if len(milestones) > 3:
            raise ValueError("more than three milestones are too many")
        self.batch_size, self.lr, self.weight, self.milestones = batch_size, lr, weight, milestones
        self.optimizer, self.frozen, self.steps, self.notes = optimizer, frozen, steps, notes

    def setup(self, env: Env) -> None: ...

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        return (Phase("all", 0, 1),)

    def batches(self, epoch: int) -> Iterator[Step]:
        yield from ()

    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        return {}

    def predict(self, x: Tensor) -> Tensor:
        return x


class ToyStrong(ToyTask):
    slots = ("strong",)


class ToyData(Dataset):
    def __init__(
        self, *, mean: tuple[float, float, float] = (0.5, 0.5, 0.5), root: Path | None = None
    ) -> None:
        self.mean, self.root = mean, root

    @property
    def spec(self) -> DatasetSpec:
        return DatasetSpec(
            name="toy", num_classes=10, channels=3, size=8, mean=self.mean, std=(1.0, 1.0, 1.0)
        )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        return {}


class ToyNet(Backbone):
    """3·w·9 convolution weights, 2·w of its normalisation and 10·(w + 1) of the head: 283 at w = 7."""

    def __init__(self, *, num_classes: int, in_channels: int, width: int = 7) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width: must be >= 1, not {width}")
        self.stem = nn.Sequential(nn.Conv2d(in_channels, width, 3, bias=False), nn.BatchNorm2d(width))
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Output:
        features = self.stem(x)
        return Output(self.head(features.mean((2, 3))), (features,))

    def stages(self) -> list[nn.Module]:
        return [self.stem, self.head]


class ToyNoise(Labels):
    def __init__(self, *, rate: float) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate: must be in [0, 1], not {rate}")
        self.rate = rate

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        return LabelSet(clean, torch.ones_like(clean, dtype=torch.bool), {})


class ToyAttack(Augmenter):
    needs_model = True
    bn_domain = "aux"

    def __init__(self, *, margin: float = 0.02, step_size: float | None = None, iterations: int = 5) -> None:
        if margin <= 0:
            raise ValueError(f"margin: must be > 0, not {margin}")
        if iterations > 100:
            raise ValueError("iterations: must be <= 100")
        self.margin, self.step_size, self.iterations = margin, step_size, iterations

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(x, torch.arange(len(x)))


class ToyJitter(Augmenter):
    def __init__(self, *, recipe: Literal["small", "large"] = "small", strength: float = 0.5) -> None:
        self.recipe, self.strength = recipe, strength

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(x, torch.arange(len(x)))


class ToyChain(Augmenter):
    def __init__(self, *, parts: tuple[Augmenter, ...]) -> None:
        self.parts = parts

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(x, torch.arange(len(x)))


PLUGINS: dict[str, tuple[type, ...]] = {
    "tasks": (ToyTask, ToyStrong),
    "augmenters": (ToyAttack, ToyJitter, ToyChain),
    "backbones": (ToyNet,),
    "datasets": (ToyData,),
    "labels": (ToyNoise,),
    "metrics": (Accuracy, BalancedAccuracy, MacroAUC, NLL, ECE, Brier),
}


def registry() -> Registry:
    """These plugins and no others."""
    entries = [Entry(kind, cls.__name__, cls, "toys 1.0") for kind, kinds in PLUGINS.items() for cls in kinds]
    return Registry(tuple(entries), ())


def _register(kind: str, register) -> None:
    for cls in PLUGINS[kind]:
        register(cls.__name__, cls)


@hookimpl
def register_tasks(register) -> None:
    _register("tasks", register)


@hookimpl
def register_augmenters(register) -> None:
    _register("augmenters", register)


@hookimpl
def register_backbones(register) -> None:
    _register("backbones", register)


@hookimpl
def register_datasets(register) -> None:
    _register("datasets", register)


@hookimpl
def register_labels(register) -> None:
    _register("labels", register)
