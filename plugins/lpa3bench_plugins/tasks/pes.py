"""PES, progressive early stopping for noisy labels (Bai et al., NeurIPS 2021), semi-supervised variant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lpa3bench.api import DatasetSpec, Env, Labels, Model, Phase, Step, Task, ViewFunction
from lpa3bench.data.sampler import Batch, Sampler
from lpa3bench.nn.reset import reset_parameters
from lpa3bench.ops import at_least_float32, cosine, linear_ramp, one_hot, probabilities, sharpen
from lpa3bench_plugins.parameters import at_least, below_one, fraction, not_negative, positive
from lpa3bench_plugins.tasks.mixmatch import (
    MIXMATCH,
    WARM_UP,
    Pairs,
    draw_mixing,
    guess,
    mixmatch_losses,
    next_batch,
    total,
    training_pair,
)
from lpa3bench_plugins.tasks.requirements import check_all_labelled, refuse_partial
from lpa3bench_plugins.tasks.steps import descend, training_view

HEAD = "head"
"""The phase between warm-up and MixMatch: what lies above the body is trained anew, the body held."""


def confident(mean_probs: Tensor, given: Tensor) -> Tensor:
    """Where the predicted class is the given label: bool [N] from [N, K] and int64 [N]."""
    return mean_probs.argmax(1) == given


def class_weights(given: Tensor, num_classes: int, cap: float) -> Tensor:
    """Weights that even out the classes among the confident samples: float32 [K].

    The mean count of the classes that occur, over the count of each; at most `cap`, and 0 for a class that
    does not occur.
    """
    counts = torch.bincount(given, minlength=num_classes).double()
    occurring = (counts > 0).sum().clamp(min=1)
    weights = (counts.sum() / occurring) / counts
    return torch.where(counts > 0, weights.clamp(max=cap), 0.0).float()


def batch_shares(confident_count: int, unconfident_count: int, batch_size: int) -> tuple[int, int]:
    """How many (confident, unconfident) samples make a batch: half each where the unconfident are more,
    else by their shares."""
    if unconfident_count > confident_count:
        unconfident = batch_size // 2
    else:
        unconfident = int(unconfident_count / (confident_count + unconfident_count) * batch_size)
    return batch_size - unconfident, unconfident


class PES(Task):
    """Train early and stop, renew the head, then MixMatch on the samples whose labels are believed.

    Epochs before `warmup_epochs` are plain cross-entropy on all given labels. Then, once, the head is
    renewed and trained alone for `head_epochs` passes. From there on each epoch predicts the training set,
    calls a sample confident where the prediction is its given label, and runs MixMatch with the confident
    samples as labelled and the others as unlabelled. With `positives` the views of the unlabelled images are
    mixed with the same partners and coefficient and pulled towards the same targets.

    Defaults are the released semi-supervised script's for CIFAR-10.

    Args:
        batch_size: images per step, confident and unconfident together.
        lr, momentum, weight_decay: of SGD; the rate falls by a half cosine wave to `lr · lr_min_ratio`.
        lr_min_ratio: see `lr`.
        warmup_epochs: T1.
        head_epochs: T2, passes over the data for the renewed head; 0: the head is not renewed at all.
        head_lr: of Adam on the renewed head.
        frozen_head: as released, the head stays as those passes left it: the script built its optimiser
            before it renewed the head, so the new one is in no optimiser. False trains it on, as the paper
            describes.
        temperature: the sharpening of pseudo targets.
        alpha, alpha_late: both parameters of the mixing coefficient's Beta distribution, before and from
            epoch `late_epoch` on.
        late_epoch: see `alpha`.
        lambda_u: weight of the unlabelled loss, reached `ramp_epochs` after T1.
        ramp_epochs: see `lambda_u`.
        max_class_weight: cap of the class weights.

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/2106.15853"
    slots = ("view", "positives")
    saved = ("sgd", "head_is_frozen")

    def __init__(
        self,
        *,
        batch_size: int = 128,
        lr: float = 0.02,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        lr_min_ratio: float = 0.01,
        warmup_epochs: int = 20,
        head_epochs: int = 5,
        head_lr: float = 1e-4,
        frozen_head: bool = True,
        temperature: float = 0.5,
        alpha: float = 4.0,
        alpha_late: float = 0.75,
        late_epoch: int = 150,
        lambda_u: float = 25.0,
        ramp_epochs: int = 16,
        max_class_weight: float = 3.0,
    ) -> None:
        positive(
            lr=lr,
            head_lr=head_lr,
            temperature=temperature,
            alpha=alpha,
            alpha_late=alpha_late,
            ramp_epochs=ramp_epochs,
            max_class_weight=max_class_weight,
        )
        not_negative(
            weight_decay=weight_decay,
            warmup_epochs=warmup_epochs,
            head_epochs=head_epochs,
            late_epoch=late_epoch,
            lambda_u=lambda_u,
        )
        at_least(4, batch_size=batch_size)
        below_one(momentum=momentum)
        fraction(lr_min_ratio=lr_min_ratio)
        self.batch_size = batch_size
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.lr_min_ratio = lr_min_ratio
        self.warmup_epochs = warmup_epochs
        self.head_epochs = head_epochs
        self.head_lr = head_lr
        self.frozen_head = frozen_head
        self.temperature = temperature
        self.alpha = alpha
        self.alpha_late = alpha_late
        self.late_epoch = late_epoch
        self.lambda_u = lambda_u
        self.ramp_epochs = ramp_epochs
        self.max_class_weight = max_class_weight
        self.head_is_frozen = False
        self.env: Env
        self.net: Model
        self.sgd: torch.optim.SGD
        self.adam: torch.optim.Adam
        self.weights: Tensor

    def unsupported(self, spec: DatasetSpec, labels: Labels) -> str | None:
        """PES splits all training images by their given labels, so all must have one."""
        return refuse_partial(self, spec, labels)

    # ------------------------------------------------------------------------------------------- set-up
    def setup(self, env: Env) -> None:
        """Build the optimiser of all phases but the head's.

        Raises:
            ConfigError: some image has no label.
        """
        check_all_labelled(self, env)
        self.env = env
        self.net = env.model("net")
        self.sgd = torch.optim.SGD(
            self.net.parameters(), self.lr, self.momentum, weight_decay=self.weight_decay, foreach=True
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Also take a frozen head out of training again."""
        super().load_state_dict(state)
        self._head().requires_grad_(not self.head_is_frozen)

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        """Warm-up, the renewed head within epoch T1, MixMatch."""
        steps = self._steps()
        phases = (
            Phase(WARM_UP, 0, steps if self.warmup_epochs else 0),
            Phase(HEAD, self.warmup_epochs, self.head_epochs * steps),
            Phase(MIXMATCH, self.warmup_epochs, steps),
        )
        return tuple(p for p in phases if p.first_epoch < epochs and p.steps_per_epoch > 0)

    def begin_epoch(self, epoch: int) -> None:
        """Set the epoch's learning rate; the head's passes do not advance it."""
        lr = cosine(epoch, self.env.epochs, self.lr, self.lr * self.lr_min_ratio)
        for group in self.sgd.param_groups:
            group["lr"] = lr

    # ---------------------------------------------------------------------------------- order of the work
    def batches(self, epoch: int) -> Iterator[Step]:
        """The steps of an epoch; at T1 the head's come first, and the split is made after them."""
        if epoch < self.warmup_epochs:
            yield from self._passes(WARM_UP, epoch, 1)
            return
        if epoch == self.warmup_epochs and self.head_epochs:
            self._renew_head()
            yield from self._passes(HEAD, epoch, self.head_epochs)
            self._release_body()
        steps = self._steps()
        sides = self._split()
        for i in range(steps):
            # Each epoch splits anew, so for a memory the pass over either side is the epoch.
            pass_no = epoch - self.warmup_epochs
            batches = (next_batch(side, pass_no, self.env.labels.given[:0]) for side in sides)
            yield Step(MIXMATCH, tuple(batches), epoch + i / steps)

    def _passes(self, phase: str, epoch: int, count: int) -> Iterator[Step]:
        """Whole passes over the training set."""
        sampler = self.env.sampler("all", self.batch_size)
        for number in range(count):
            for i, batch in enumerate(sampler.one_pass()):
                yield Step(phase, (Batch(batch.index, epoch + number),), epoch + i / len(sampler))

    def _steps(self) -> int:
        return max(self.env.size // self.batch_size, 1)

    def _renew_head(self) -> None:
        """A fresh head, and nothing else trained."""
        head = self._head()
        reset_parameters(head, self.env.draws("pes/head").child())
        for parameter in self.net.parameters():
            parameter.requires_grad_(False)
        head.requires_grad_(True)
        for parameter in head.parameters():
            self.sgd.state.pop(parameter, None)  # momentum of the head that is gone
        self.adam = torch.optim.Adam(head.parameters(), self.head_lr, fused=True)

    def _release_body(self) -> None:
        """Train the body again, and the head only if it is not to stay frozen."""
        for parameter in self.net.parameters():
            parameter.requires_grad_(True)
        self.head_is_frozen = self.frozen_head
        self._head().requires_grad_(not self.head_is_frozen)

    def _head(self) -> nn.Module:
        return self.net.backbone.stages()[-1]

    def _split(self) -> tuple[Sampler | None, Sampler | None]:
        """Samplers of the confident and the unconfident samples (None for an empty side), and the weights."""
        env, given = self.env, self.env.labels.given
        everything = torch.arange(env.size, device=env.device)
        probs = []
        with env.evaluating(self.net):
            for index in torch.split(everything, 4 * self.batch_size):
                one, two = (self.predict(training_view(env, self.net, index, env.views)) for _ in range(2))
                probs.append((one + two) / 2)
        believed = confident(torch.cat(probs), given)
        yes, no = believed.nonzero().flatten(), (~believed).nonzero().flatten()
        self.weights = class_weights(given[yes], env.spec.num_classes, self.max_class_weight)
        sizes = batch_shares(len(yes), len(no), self.batch_size)
        # The release cannot handle a side that is empty or gets no place in the batch; here it is left out.
        labelled, unlabelled = (
            env.sampler(name, size, side) if size and len(side) else None
            for name, size, side in zip(("confident", "unconfident"), sizes, (yes, no), strict=True)
        )
        return labelled, unlabelled

    # ----------------------------------------------------------------------------------------- one step
    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        """One step of the phase it belongs to."""
        if step.phase == MIXMATCH:
            return self._mixmatch(step, views)
        (batch,) = step.batches
        x = training_view(self.env, self.net, batch.index, views, pass_no=batch.pass_no)
        logits = at_least_float32(self.env.logits(self.net, x).logits)
        loss = F.cross_entropy(logits, self.env.labels.given[batch.index])
        return descend(self.env, self.adam if step.phase == HEAD else self.sgd, loss, {})

    def _mixmatch(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        env, net = self.env, self.net
        labelled, unlabelled = step.batches
        late = step.time >= self.late_epoch
        x, u = (training_pair(env, net, side, views) for side in step.batches)
        alpha = self.alpha_late if late else self.alpha
        mixing = draw_mixing(env.draws("pes/mix"), alpha, len(x) + len(u), env.device)
        target_x = one_hot(env.labels.given[labelled.index], env.spec.num_classes)
        target_u = sharpen(guess(env, net, u), self.temperature)  # guessed in training mode, as released
        losses, _ = mixmatch_losses(
            env,
            net,
            Pairs(x, u, target_x, target_u),
            mixing,
            views=views,
            unlabelled=unlabelled,
            class_weight=self.weights,
        )
        ramp = self.lambda_u * linear_ramp(step.time, self.warmup_epochs, self.ramp_epochs)
        return descend(env, self.sgd, total(losses, ramp), losses)

    def predict(self, x: Tensor) -> Tensor:
        """Soft-max of the network's main branch: [B, K]."""
        return probabilities(self.env.logits(self.net, x).logits)
