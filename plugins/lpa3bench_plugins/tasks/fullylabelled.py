"""What the tasks share that train on every image with the label it was given, right or wrong, by SGD."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from lpa3bench.api import DatasetSpec, Env, Labels, Model, Phase, SlotName, Step, Task, ViewFunction
from lpa3bench.data.sampler import Batch, Sampler
from lpa3bench.ops import one_hot, probabilities
from lpa3bench_plugins.tasks.requirements import check_all_labelled, check_sgd, refuse_partial
from lpa3bench_plugins.tasks.steps import descend, training_view


def check_milestones(milestones: tuple[int, ...], first: int = 1) -> None:
    """Epochs at which a rate falls.

    Raises:
        ValueError: they do not ascend from `first` on.
    """
    if any(epoch < first for epoch in milestones) or list(milestones) != sorted(milestones):
        raise ValueError(f"milestones: must ascend from {first}, not {milestones}")


class FullyLabelled(Task):
    """One network, one pass over all images an epoch, SGD at a rate that depends on the epoch.

    Subclasses say which stages there are, what the rate is, and what a step does.

    Args:
        batch_size: images per step; the last, smaller batch of a pass is used too, so that each image comes
            exactly once. One image joins the batch before it, where the network cannot be trained on one.
        lr, momentum, weight_decay: of SGD.

    Raises:
        ValueError: a value is out of range.
    """

    slots: tuple[SlotName, ...] = ("view", "positives")
    saved: tuple[str, ...] = ("sgd", "sampler")

    def __init__(self, *, batch_size: int, lr: float, momentum: float, weight_decay: float) -> None:
        check_sgd(batch_size=batch_size, lr=lr, momentum=momentum, weight_decay=weight_decay)
        self.batch_size = batch_size
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.env: Env
        self.net: Model
        self.sgd: torch.optim.SGD
        self.sampler: Sampler

    @abstractmethod
    def stages(self) -> tuple[tuple[str, int], ...]:
        """Name and first epoch of each stage, in order; one that starts where the next does is left out."""

    @abstractmethod
    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch."""

    def unsupported(self, spec: DatasetSpec, labels: Labels) -> str | None:
        """Images without a label have no place in the loss."""
        return refuse_partial(self, spec, labels)

    def setup(self, env: Env) -> None:
        """Build the optimiser and the order of the images.

        Raises:
            ConfigError: some image has no label.
        """
        check_all_labelled(self, env)
        self.env = env
        self.net = env.model("net")
        self.sgd = torch.optim.SGD(
            self.net.parameters(), self.lr, self.momentum, weight_decay=self.weight_decay, foreach=True
        )
        self.sampler = env.sampler("train", self.batch_size, drop_last=False)

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        """The stages that last, in a run of so many epochs."""
        stages = self.stages()
        ends = [*(first for _, first in stages[1:]), epochs]
        return tuple(
            Phase(name, first, len(self.sampler))
            for (name, first), end in zip(stages, ends, strict=True)
            if first < min(end, epochs)
        )

    def begin_epoch(self, epoch: int) -> None:
        """Set the epoch's learning rate."""
        for group in self.sgd.param_groups:
            group["lr"] = self.rate(epoch)

    def batches(self, epoch: int) -> Iterator[Step]:
        """One pass over all images, in the stage of the epoch."""
        stage = [name for name, first in self.stages() if first <= epoch][-1]
        steps = len(self.sampler)
        for i, batch in enumerate(self.sampler.one_pass()):
            yield Step(stage, (batch,), epoch + i / steps)

    def training_view(self, batch: Batch, views: ViewFunction) -> Tensor:
        """[B, C, H, W], the weak view, through the augmenter in slot `view` where there is one."""
        given = self.given(batch.index)
        return training_view(self.env, self.net, batch.index, views, target=given, pass_no=batch.pass_no)

    def given(self, index: Tensor) -> Tensor:
        """The given labels of some images, one-hot: [B, K]."""
        return one_hot(self.env.labels.given[index], self.env.spec.num_classes)

    def descend(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """One step of SGD on the sum of the losses. Returns it as "loss", beside its parts."""
        return descend(self.env, self.sgd, torch.stack([*losses.values()]).sum(), losses)

    def predict(self, x: Tensor) -> Tensor:
        """Soft-max of the network's main branch: [B, K]."""
        return probabilities(self.env.logits(self.net, x).logits)
