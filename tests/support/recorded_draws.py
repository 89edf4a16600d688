"""What the golden tests share: a run's real environment, with recorded views, draws and logits in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from lpa3bench.api import (
    Augmenter,
    Backbone,
    DatasetSpec,
    Output,
    SlotName,
    Task,
    TrainLabels,
    View,
    WeakView,
)
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.data.sampler import Sampler
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from support.golden_files import DEVICE
from support.golden_network import relative


def tags(count: int, kind: int = 0) -> Tensor:
    """uint8 [count, 3, 1, 1]: images that tell nothing but which they are, and of which kind."""
    place = torch.arange(count)
    tag = torch.stack([place // 256, place % 256, torch.full_like(place, kind)], dim=1)
    return tag.to(torch.uint8).view(count, 3, 1, 1)


class RecordedLogits(Backbone):
    """Returns the recorded logits of recorded images, row by row.

    The logits are its parameter, so what a loss sends back to them lands in `gradient`; no optimiser finds
    it, so they stay as they were recorded.

    Args:
        images: [R, C, H, W] in [0, 1]; the dtype is that of the network.
        logits: [R, K].
        tolerance: how far an image may lie from the recorded one, per pixel.
        passes: how many of the R rows belong to each recorded pass, where an image may stand in several;
            a batch is then looked up in the first that has all its images.
    """

    def __init__(
        self, images: Tensor, logits: Tensor, *, tolerance: float = 1e-6, passes: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.images = images.flatten(1).to(DEVICE)
        self.passes = [*passes] or [len(images)]
        self.logits = nn.Parameter(logits.to(DEVICE))
        self.tolerance = tolerance
        self.gradient = torch.zeros_like(self.logits, requires_grad=False)
        self.asked: list[tuple[list[int], bool]] = []
        """Of each pass the rows, and whether the network was training."""
        self.logits.register_post_accumulate_grad_hook(self._keep)

    def _keep(self, logits: Tensor) -> None:
        assert logits.grad is not None
        self.gradient, logits.grad = logits.grad, None

    def forward(self, x: Tensor) -> Output:
        apart = (x.flatten(1).unsqueeze(1) - self.images).abs().amax(2)
        first = 0
        for part in torch.split(apart, self.passes, dim=1):
            off, row = part.min(1)
            if off.max() <= self.tolerance:
                break
            first += part.shape[1]
        else:
            raise AssertionError("an image that was not recorded")
        row = row + first
        self.asked.append((row.tolist(), self.training))
        return Output(self.logits[row], (x,))

    def stages(self) -> list[nn.Module]:
        return [self]


class RecordedEnvironment(Environment):
    """The real environment, in which some views and draws are recorded ones.

    Args:
        views: what `weak` returns, call by call; None: the real weak view.
        draws: by component, what draws for it; the others draw at random.
    """

    def __init__(
        self, experiment: Experiment, views: list[Tensor] | None, draws: Mapping[str, Any], **rest: Any
    ) -> None:
        self._recorded = draws
        self.gradients: dict[str, Tensor] = {}
        """Of network `net`, from the last backward pass."""
        self.subsets: dict[str, list[int]] = {}
        """What the samplers asked for draw from, by name."""
        super().__init__(experiment, **rest)
        self._waiting = views

    def weak(self, index: Tensor) -> Tensor:
        if self._waiting is None:
            return super().weak(index)
        view = self._waiting.pop(0)
        assert len(view) == len(index)
        return view

    def draws(self, name: str) -> Any:
        return self._recorded[name] if name in self._recorded else super().draws(name)

    def sampler(self, name: str, *args: Any, **more: Any) -> Sampler:
        sampler = super().sampler(name, *args, **more)
        self.subsets[name] = sampler.subset.tolist()
        return sampler

    def backward(self, loss: Tensor) -> None:
        super().backward(loss)
        if "net" in self.models:  # Nesterov momentum by foreach adds the momentum to them in place
            named = self.models["net"].backbone.named_parameters()
            self.gradients = {name: p.grad.clone() for name, p in named if p.grad is not None}


def recorded(
    task: Task,
    *networks: Backbone,
    given: Tensor,
    num_classes: int,
    images: Tensor | None = None,
    labelled: Tensor | None = None,
    views: list[Tensor] | None = None,
    draws: Mapping[str, Any] | None = None,
    normalisation: tuple[Any, Any] = ((0, 0, 0), (1, 1, 1)),
    epochs: int = 1,
    slots: Mapping[SlotName, Augmenter] | None = None,
) -> RecordedEnvironment:
    """The environment of a task, set up, in the networks' precision.

    Args:
        networks: as many as the task has.
        given: int64 [N], the given labels.
        images: uint8 [N, C, H, H], the training images; None: `tags`. They are neither shifted nor flipped.
        labelled: bool [N]; None: all.
        views, draws: see `RecordedEnvironment`.
        normalisation: mean and std per channel.
    """
    images = tags(len(given)) if images is None else images
    mean, std = (tuple(float(value) for value in values) for values in normalisation)
    spec = DatasetSpec(
        name="golden",
        num_classes=num_classes,
        channels=images.shape[1],
        size=images.shape[2],
        mean=mean,
        std=std,
        weak=WeakView(flip=False, pad=0),
    )
    waiting = iter(networks)
    experiment = Experiment(
        task=task,
        dataset=SimpleNamespace(spec=spec),  # type: ignore[arg-type]
        backbone=lambda **_: next(waiting),
        epochs=epochs,
        precision="float32",
        **(slots or {}),  # type: ignore[arg-type]
    )
    labelled = torch.ones_like(given, dtype=torch.bool) if labelled is None else labelled
    env = RecordedEnvironment(
        experiment,
        views,
        draws or {},
        spec=spec,
        store=ImageStore(images, spec.weak, DEVICE),
        labels=TrainLabels(given.to(DEVICE), labelled.to(DEVICE)),
        seed=0,
        device=DEVICE,
    )
    task.setup(env)
    return env


def start_noise(noise: Tensor) -> SimpleNamespace:
    """The draws of LP-A3: the noise that the recorded search starts from."""

    def uniform(size: Any, low: float, high: float, *, like: Tensor) -> Tensor:
        assert (low, high) == (-0.01, 0.01)
        assert noise.shape == torch.Size(size)
        return noise.to(like.dtype)

    return SimpleNamespace(uniform=uniform)


class Checked(LPA3):
    """LP-A3 whose views are compared with the golden ones and then replaced by them: in float32 the search
    amplifies rounding, and what follows it is to be tested on equal inputs."""

    stored: Tensor

    def generate(self, x: Tensor, ctx: Any) -> View:
        view = super().generate(x, ctx)
        tolerance = 1e-9 if x.dtype is torch.float64 else 1e-2
        assert relative(ctx.model.normalise(view.x), self.stored.cpu().numpy()) <= tolerance
        view.x = (self.stored * ctx.model.std + ctx.model.mean).clamp(0, 1)
        return view
