"""The stage of the conformance kit: a tiny data set, network and task, and augmenters to try a task with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lpa3bench.api import (
    Augmenter,
    Backbone,
    Context,
    Dataset,
    DatasetSpec,
    Domain,
    Env,
    LabelContext,
    Labels,
    LabelSet,
    Model,
    Output,
    Phase,
    Split,
    Step,
    Task,
    TrainLabels,
    View,
    ViewFunction,
    WeakView,
)
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.ops import one_hot, probabilities, soft_cross_entropy
from lpa3bench.runtime.seeding import Draws
from lpa3bench.training.environment import Environment
from lpa3bench.types import SLOTS, SlotName

SPEC = DatasetSpec(
    name="Tiny",
    num_classes=3,
    channels=3,
    size=8,
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.3, 0.25),
    weak=WeakView(flip=True, pad=1),
)
COUNT = 48


class TinySet(Dataset):
    """48 noisy images of three classes, made up."""

    @property
    def spec(self) -> DatasetSpec:
        return SPEC

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        return {name: self._split(seed) for seed, name in enumerate(("train", "test"))}

    def _split(self, seed: int) -> Split:
        labels = torch.arange(COUNT) % SPEC.num_classes
        noise = Draws(seed).integers((COUNT, 3, 8, 8), 0, 150)
        return Split((noise + 50 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels)


class GreyTinySet(TinySet):
    """The same with one channel."""

    @property
    def spec(self) -> DatasetSpec:
        return replace(SPEC, name="GreyTiny", channels=1, mean=SPEC.mean[:1], std=SPEC.std[:1])

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        return {name: Split(s.images[:, :1], s.labels) for name, s in super().load(root).items()}


class TinyNet(Backbone):
    """Two stages and a head."""

    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.stem = self._stage(in_channels, 8, stride=1)
        self.body = self._stage(8, 16, stride=2)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x: Tensor) -> Output:
        first = self.stem(x)
        second = self.body(first)
        return Output(self.head(second.mean((2, 3))), (first, second))

    def stages(self) -> list[nn.Module]:
        return [self.stem, self.body, self.head]

    @staticmethod
    def _stage(in_channels: int, channels: int, stride: int) -> nn.Module:
        conv = nn.Conv2d(in_channels, channels, 3, stride, padding=1)
        return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.LeakyReLU(0.1))


class Bystander(Task):
    """A task with every slot that trains nothing: it stands around an augmenter under test."""

    slots = tuple(SLOTS)
    soft_slots = tuple(SLOTS)
    twin_slots = tuple(SLOTS)

    def __init__(self, *, batch_size: int = 16) -> None:
        self.batch_size = batch_size

    def setup(self, env: Any) -> None:
        self.net = env.model("net")

    def phases(self, epochs: int) -> Any:
        raise AssertionError("never asked")

    def batches(self, epoch: int) -> Any:
        raise AssertionError("never asked")

    def update(self, step: Any, views: Any) -> Any:
        raise AssertionError("never asked")

    def predict(self, x: Tensor) -> Tensor:
        raise AssertionError("never asked")


class TinyLabels(Labels):
    """The clean ones; of all images, or of every second one."""

    def __init__(self, *, partial: bool = False) -> None:
        self.partial = partial

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        known = clean >= 0
        if self.partial:
            known &= torch.arange(len(clean)) % 2 == 0
        return LabelSet(clean.clone(), known, {"kind": "TinyLabels"})


def environment(experiment: Experiment, seed: int = 0) -> Environment:
    """The real environment around an experiment on the tiny set, grey if its data set is the grey one; all
    images labelled, unless it says else."""
    tiny = GreyTinySet() if isinstance(experiment.dataset, GreyTinySet) else TinySet()
    spec, train = tiny.spec, tiny.load(Path())["train"]
    cpu = torch.device("cpu")
    ctx = LabelContext(num_classes=spec.num_classes, draws=Draws(seed), root=Path(), seed=seed)
    known = (experiment.labels or TinyLabels()).apply(train.labels, ctx)
    labels = TrainLabels(known.given, known.labelled)
    store = ImageStore(train.images, spec.weak, cpu)
    return Environment(experiment, spec=spec, store=store, labels=labels, seed=seed, device=cpu)


class TinyTask(Task):
    """Trains on its three slots: a loss term for each view, in the BatchNorm that the view comes from."""

    slots = tuple(SLOTS)
    soft_slots = tuple(SLOTS)
    saved = ("optimiser", "sampler")

    def __init__(self, *, batch_size: int = 16) -> None:
        self.batch_size = batch_size
        self.env: Env
        self.net: Model

    def setup(self, env: Env) -> None:
        self.env, self.net = env, env.model("net")
        self.optimiser = torch.optim.SGD(self.net.parameters(), 0.05, 0.9, foreach=True)
        self.sampler = env.sampler("train", self.batch_size)

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        return (Phase("train", 0, len(self.sampler)),)

    def batches(self, epoch: int) -> Iterator[Step]:
        for i, batch in enumerate(self.sampler.one_pass()):
            yield Step("train", (batch,), epoch + i / len(self.sampler))

    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        (batch,) = step.batches
        index, terms = batch.index, []
        label = one_hot(self.env.labels.given[index], self.env.spec.num_classes)
        x, again = self.env.weak(index), self.env.weak(index)
        seen: dict[SlotName, Tensor] = {"view": x, "strong": again, "positives": x}
        for slot, images in seen.items():
            view = views(slot, self.net, images, index=index, target=label, pass_no=batch.pass_no)
            if view is not None and len(view.x):
                target = label[view.rows] if view.target is None else view.target
                terms.append(
                    soft_cross_entropy(self.env.logits(self.net, view.x, view.domain).logits, target)
                )
        terms.append(soft_cross_entropy(self.env.logits(self.net, x).logits, label))
        loss = torch.stack(terms).sum()
        self.optimiser.zero_grad()
        self.env.backward(loss)
        self.optimiser.step()
        return {"loss": loss.detach()}

    def predict(self, x: Tensor) -> Tensor:
        return probabilities(self.env.logits(self.net, x).logits)


class Noise(Augmenter):
    """A simple partner for a task: uniform noise, no model."""

    def generate(self, x: Tensor, ctx: Context) -> View:
        noisy = x + ctx.draws.uniform(x.shape, -0.2, 0.2, like=x)
        return View(noisy.clamp(0, 1), torch.arange(len(x), device=x.device))


class Hard(Augmenter):
    """A partner like LP-A3: one step along the model's gradient from a random start, in its BatchNorm domain,
    of the images that were treated least; what it remembers of them must survive a stop."""

    needs_model = True
    saved = ("treated",)

    def __init__(self, *, share: float = 0.5, domain: Domain = "aux") -> None:
        self.share, self.bn_domain = share, domain
        self.treated: Tensor

    def setup(self, env: Env) -> None:
        self.treated = torch.zeros(env.size, device=env.device)

    def generate(self, x: Tensor, ctx: Context) -> View:
        rows = self._rows(x, ctx)
        noise = ctx.draws.uniform(x[rows].shape, -0.05, 0.05, like=x)
        start = (x[rows] + noise).clamp(0, 1).requires_grad_()
        with torch.enable_grad():  # a task may ask for views while it predicts
            loss = ctx.logits(start).logits.logsumexp(1).sum()
        (gradient,) = torch.autograd.grad(loss, start)
        return View((start + 0.05 * gradient.sign()).clamp(0, 1), rows)

    def _rows(self, x: Tensor, ctx: Context) -> Tensor:
        samples = len(x) // ctx.copies
        if ctx.index is None or self.share == 1:
            return torch.arange(len(x), device=x.device)
        index = ctx.index[:samples]
        order = self.treated[index].argsort(stable=True)
        chosen = order[: round(self.share * samples)].sort().values
        self.treated[index[chosen]] += 1
        copies = torch.arange(ctx.copies, device=x.device) * samples
        return (copies.view(-1, 1) + chosen).flatten()


def hard(slot: SlotName) -> Hard:
    """One that fits the slot."""
    place = SLOTS[slot]
    return Hard(share=1.0 if place.every_row else 0.5, domain="aux" if place.auxiliary else "main")
