"""Supervised training, with LP-A3's Algorithm 1 where the slot `positives` is bound."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Literal

import torch
from torch import Tensor

from lpa3bench.api import Env, Model, Phase, Step, Task, ViewFunction
from lpa3bench.errors import ConfigError
from lpa3bench.ops import jensen_shannon, one_hot, probabilities, soft_cross_entropy
from lpa3bench_plugins.parameters import not_negative, positive
from lpa3bench_plugins.tasks.requirements import check_sgd
from lpa3bench_plugins.tasks.steps import descend


def step_decay(epoch: int, epochs: int, lr: float, milestones: tuple[float, ...], gamma: float) -> float:
    """The learning rate of an epoch: times `gamma` for every share of the epochs that has passed."""
    # Not epoch >= share · epochs: 0.55 · 100 is a little more than 55.
    return lr * gamma ** sum(epoch / epochs >= share for share in milestones)


class Supervised(Task):
    """Cross-entropy on the labelled images; with `positives`, plus that on their hard positives.

    The loss is L(B) + w · L(A), A being what the augmenter in `positives` makes of the training view, each
    with the label of its image (paper, Algorithm 1, where w = 1). Defaults are MedMNIST v2's protocol: Adam,
    learning rate 1e-3 divided by ten at one half and at three quarters of the epochs, batches of 128.

    Where the augmenter makes two views of an image (AugMix with `jensen_shannon`), the second term is w · JS,
    the Jensen-Shannon divergence between what the network says of the image and of both views; published
    with w = 12. *Deviation*: the image goes through the network before its views and not with them, so
    BatchNorm takes statistics of each.

    Args:
        batch_size: images per step; the last, smaller batch of a pass is used too. One image joins the batch
            before it, where the network cannot be trained on one (BatchNorm on maps of one place).
        optimizer: "adam", or "sgd" with `momentum` and `nesterov`.
        lr: learning rate at the start.
        momentum, nesterov: of SGD.
        weight_decay: of every parameter.
        milestones: shares of the epochs, ascending, after which `lr` is multiplied by `gamma`.
        gamma: see `milestones`.
        positives_weight: w.
        class_weights: of each class in both losses, so that rare ones are learnt too: "balanced", in inverse
            proportion to the number of its labels, or a number for each class, in their order. They are
            scaled so that their mean over the labelled images is 1, and the learning rate means what it does
            without. Of a soft target each class has its own weight.

    Raises:
        ValueError: a value is out of range.
    """

    slots = ("view", "positives")
    soft_slots = ("view", "positives")
    twin_slots = ("positives",)
    saved = ("optimiser", "sampler")
    added = ("class_weights",)

    def __init__(
        self,
        *,
        batch_size: int = 128,
        optimizer: Literal["adam", "sgd"] = "adam",
        lr: float = 1e-3,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        milestones: tuple[float, ...] = (0.5, 0.75),
        gamma: float = 0.1,
        positives_weight: float = 1.0,
        class_weights: Literal["balanced"] | tuple[float, ...] | None = None,
    ) -> None:
        check_sgd(batch_size=batch_size, lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (optimizer != "sgd" or momentum == 0):
            raise ValueError("nesterov: needs optimizer 'sgd' with momentum > 0")
        if any(not 0 < share < 1 for share in milestones) or list(milestones) != sorted(milestones):
            raise ValueError(f"milestones: must ascend between 0 and 1, not {milestones}")
        positive(gamma=gamma)
        not_negative(positives_weight=positives_weight)
        if isinstance(class_weights, str) and class_weights != "balanced":
            raise ValueError(f"class_weights: must be 'balanced' or numbers, not {class_weights!r}")
        if isinstance(class_weights, tuple) and not all(0 < weight < inf for weight in class_weights):
            raise ValueError(f"class_weights: must be > 0, not {class_weights}")
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.milestones = milestones
        self.gamma = gamma
        self.positives_weight = positives_weight
        self.class_weights = class_weights
        self.env: Env
        self.net: Model
        self.optimiser: torch.optim.Optimizer
        self.class_weight: Tensor | None

    def unshared(self) -> str | None:
        """Every mean is weighted."""
        return None

    def setup(self, env: Env) -> None:
        """Build the optimiser, the order of the images and the weights of the classes.

        Raises:
            ConfigError: there is not a weight for each class.
        """
        self.env = env
        self.net = env.model("net")
        self.class_weight = None if self.class_weights is None else _weights(self.class_weights, env)
        parameters = list(self.net.parameters())
        if self.optimizer == "adam":
            self.optimiser = torch.optim.Adam(parameters, self.lr, weight_decay=self.weight_decay, fused=True)
        else:
            self.optimiser = torch.optim.SGD(
                parameters,
                self.lr,
                self.momentum,
                weight_decay=self.weight_decay,
                nesterov=self.nesterov,
                # fused SGD fails where a parameter gets its first gradient later than the others, as those
                # of the auxiliary BatchNorm do after a warm-up
                foreach=True,
            )
        self.sampler = env.sampler(
            "train", self.batch_size, env.labels.labelled.nonzero().flatten(), drop_last=False
        )

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        return (Phase("train", 0, len(self.sampler)),)

    def begin_epoch(self, epoch: int) -> None:
        """Set the epoch's learning rate."""
        lr = step_decay(epoch, self.env.epochs, self.lr, self.milestones, self.gamma)
        for group in self.optimiser.param_groups:
            group["lr"] = lr

    def batches(self, epoch: int) -> Iterator[Step]:
        """One pass over the labelled images."""
        steps = len(self.sampler)
        for i, batch in enumerate(self.sampler.one_pass()):
            yield Step("train", (batch,), epoch + i / steps)

    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        """One step of Algorithm 1."""
        (batch,) = step.batches
        env, net, index = self.env, self.net, batch.index
        target = one_hot(env.labels.given[index], env.spec.num_classes)
        x = env.weak(index)
        viewed = views("view", net, x, index=index, target=target, pass_no=batch.pass_no)
        if viewed is not None:
            x, target = viewed.x, target if viewed.target is None else viewed.target
        hard = views("positives", net, x, index=index, target=target, pass_no=batch.pass_no)

        logits = env.logits(net, x).logits
        loss = env.weighted(soft_cross_entropy(logits, target, self.class_weight), len(x))
        logs = {"train_accuracy": env.weighted(_agreement(logits, target), len(x))}
        if hard is not None and hard.twin is not None:
            pair = env.logits(net, torch.cat([hard.x, hard.twin]), hard.domain, slot="positives").logits
            agreement = env.weighted(jensen_shannon(logits[hard.rows], *pair.chunk(2)), len(hard.x))
            loss = loss + self.positives_weight * agreement
            logs["positives_loss"] = agreement
        elif hard is not None and env.total(len(hard.x)):
            hard_target = target[hard.rows] if hard.target is None else hard.target
            hard_logits = env.logits(net, hard.x, hard.domain, slot="positives").logits
            hard_loss = env.weighted(
                soft_cross_entropy(hard_logits, hard_target, self.class_weight), len(hard.x)
            )
            loss = loss + self.positives_weight * hard_loss
            logs |= {
                "positives_loss": hard_loss,
                "positives_accuracy": env.weighted(_agreement(hard_logits, hard_target), len(hard.x)),
            }
        return descend(env, self.optimiser, loss, logs)

    def predict(self, x: Tensor) -> Tensor:
        """Soft-max of the network's main branch: [B, K]."""
        return probabilities(self.env.logits(self.net, x).logits)


def _weights(weights: Literal["balanced"] | tuple[float, ...], env: Env) -> Tensor:
    """Of the classes, on the device of the labels.

    Raises:
        ConfigError: there is not one for each class.
    """
    classes = env.spec.num_classes
    if weights != "balanced" and len(weights) != classes:
        have = f"has {len(weights)} numbers, and {env.spec.name} {classes} classes"
        raise ConfigError(f"run.task: Supervised.class_weights {have}")
    given = env.labels.given[env.labels.labelled]
    counts = torch.bincount(given.cpu(), minlength=classes)
    return scaled_weights(weights, counts).float().to(given.device)


def scaled_weights(weights: Literal["balanced"] | tuple[float, ...], counts: Tensor) -> Tensor:
    """Weights of the classes of which the mean over the labelled images is 1: float64 [K].

    Args:
        weights: as `Supervised.class_weights`.
        counts: int64 [K], the labels of each class.
    """
    found = 1 / counts.clamp(min=1) if weights == "balanced" else torch.tensor(weights)
    exact = found.double()
    return exact * counts.sum() / (exact * counts).sum()


def _agreement(logits: Tensor, target: Tensor) -> Tensor:
    """Share of rows whose largest logit is the target's largest class."""
    return (logits.detach().argmax(1) == target.argmax(1)).float().mean()
