"""DivideMix: two networks that split the training set for each other (Li et al., ICLR 2020)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lpa3bench.api import DatasetSpec, Env, Labels, Model, Phase, Step, Task, ViewFunction
from lpa3bench.data.sampler import Batch, Sampler
from lpa3bench.ops import (
    at_least_float32,
    linear_ramp,
    one_hot,
    probabilities,
    sharpen,
    uniform_prior_penalty,
)
from lpa3bench_plugins.parameters import at_least, below_one, not_negative, positive
from lpa3bench_plugins.tasks.codivide import clean_probability, remember, scaled_losses
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


def warmup_loss(logits: Tensor, labels: Tensor, confidence_penalty: float) -> Tensor:
    """Cross-entropy plus the weighted negative entropy of the prediction, in means over the batch: 0-d.

    The second term keeps a network from growing sure of labels that are wrong in a regular way.
    """
    log_probs = F.log_softmax(at_least_float32(logits), dim=1)
    loss = F.nll_loss(log_probs, labels)
    if confidence_penalty > 0:
        loss = loss + confidence_penalty * (log_probs.exp() * log_probs).sum(1).mean()
    return loss


def refined(given: Tensor, clean: Tensor, predicted: Tensor) -> Tensor:
    """w · given + (1 − w) · predicted, row by row: [B, K] from [B, K], w [B] and [B, K] (equation 3)."""
    weight = clean.to(predicted.dtype).unsqueeze(1)
    return weight * given + (1 - weight) * predicted


class Turn(NamedTuple):
    """Whose turn it is to be trained."""

    net: Model
    other: Model
    clean: Tensor
    """float [N], how likely each given label is right, by the losses of the other network."""


class DivideMix(Task):
    """Two networks; each learns by MixMatch from the labels that the other one believes.

    Epochs before `warmup_epochs` are cross-entropy on all given labels, for each network in an order of its
    own, in batches of 2 · `batch_size`. From there on every epoch takes each network's loss on every training
    image as it is (no crop, no flip), fits a mixture of two Gaussians to them, and calls a label clean where
    the posterior of the lower one exceeds `p_threshold`. Then the first network is trained on the second's
    split, and the second on the first's, with the first as it is by then. Clean labels are refined with the
    trained network's predictions, the others are replaced by what both networks guess.

    An epoch is one pass over the clean side, the last batch as small as it comes out; the other side is gone
    through as often as that takes. Where everybody is clean a step has labelled images only. Where nobody is
    (the release fails there) the network has one step of unlabelled images alone.

    With `positives` the views of the unlabelled images, made on the network that is trained, are mixed with
    the same partners and share and pulled towards the same targets, under the same weight. How the paper
    combined LP-A3 with DivideMix was not released; this follows its PES.

    Defaults are the released script's for CIFAR-10 with 50 % symmetric noise.

    Args:
        batch_size: labelled images per step; there are as many unlabelled ones.
        lr, momentum, weight_decay: of SGD.
        lr_drop_epoch, lr_drop: from which epoch on the rate is multiplied by what.
        warmup_epochs: see above.
        confidence_penalty: weight of the negative entropy during the warm-up; the release has 1 for
            asymmetric noise and 0 for symmetric.
        p_threshold: the least probability of a clean label.
        loss_history: how many epochs' losses are averaged before the mixture is fitted; the release has 5
            at 90 % noise and else 1.
        temperature: the sharpening of refined and guessed targets.
        alpha: both parameters of the mixing coefficient's Beta distribution.
        lambda_u: weight of the unlabelled loss, reached `ramp_epochs` after the warm-up.
        ramp_epochs: see `lambda_u`.

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/2002.07394"
    slots = ("view", "positives")
    models = ("net1", "net2")
    saved = ("sgd", "history")

    def __init__(
        self,
        *,
        batch_size: int = 64,
        lr: float = 0.02,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        lr_drop_epoch: int = 150,
        lr_drop: float = 0.1,
        warmup_epochs: int = 10,
        confidence_penalty: float = 0.0,
        p_threshold: float = 0.5,
        loss_history: int = 1,
        temperature: float = 0.5,
        alpha: float = 4.0,
        lambda_u: float = 25.0,
        ramp_epochs: int = 16,
    ) -> None:
        positive(lr=lr, lr_drop=lr_drop, temperature=temperature, alpha=alpha, ramp_epochs=ramp_epochs)
        not_negative(
            weight_decay=weight_decay,
            lr_drop_epoch=lr_drop_epoch,
            warmup_epochs=warmup_epochs,
            confidence_penalty=confidence_penalty,
            lambda_u=lambda_u,
        )
        below_one(momentum=momentum, p_threshold=p_threshold)
        at_least(2, batch_size=batch_size)
        at_least(1, loss_history=loss_history)
        self.batch_size = batch_size
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.lr_drop_epoch = lr_drop_epoch
        self.lr_drop = lr_drop
        self.warmup_epochs = warmup_epochs
        self.confidence_penalty = confidence_penalty
        self.p_threshold = p_threshold
        self.loss_history = loss_history
        self.temperature = temperature
        self.alpha = alpha
        self.lambda_u = lambda_u
        self.ramp_epochs = ramp_epochs
        self.env: Env
        self.nets: tuple[Model, Model]
        self.sgd: torch.optim.SGD
        self.history: dict[str, Tensor]
        self.turn: Turn

    def unsupported(self, spec: DatasetSpec, labels: Labels) -> str | None:
        """DivideMix splits all training images by the losses of their given labels, so all must have one."""
        return refuse_partial(self, spec, labels)

    # ------------------------------------------------------------------------------------------- set-up
    def setup(self, env: Env) -> None:
        """Build the optimiser and an empty memory of losses.

        Raises:
            ConfigError: some image has no label.
        """
        check_all_labelled(self, env)
        self.env = env
        self.nets = (env.model("net1"), env.model("net2"))
        # One for both: a step leaves what has no gradient as it is, and so the network whose turn it is not.
        self.sgd = torch.optim.SGD(
            [parameter for net in self.nets for parameter in net.parameters()],
            self.lr,
            self.momentum,
            weight_decay=self.weight_decay,
            foreach=True,
        )
        self.history = {net.name: torch.zeros(0, env.size) for net in self.nets}

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        """Warm-up and MixMatch. How long an epoch of the latter is depends on the split: half is planned."""
        warmup = len(self._all(self.nets[0]))
        mixmatch = 2 * math.ceil(self.env.size / 2 / self.batch_size)
        phases = (
            Phase(WARM_UP, 0, warmup if self.warmup_epochs else 0),
            Phase(MIXMATCH, self.warmup_epochs, mixmatch),
        )
        return tuple(p for p in phases if p.first_epoch < epochs and p.steps_per_epoch > 0)

    def begin_epoch(self, epoch: int) -> None:
        """Set the epoch's learning rate."""
        for group in self.sgd.param_groups:
            group["lr"] = self.lr * (self.lr_drop if epoch >= self.lr_drop_epoch else 1.0)

    # ---------------------------------------------------------------------------------- order of the work
    def batches(self, epoch: int) -> Iterator[Step]:
        """The steps of an epoch. A step warms both networks up; after that each has its turn."""
        if epoch < self.warmup_epochs:
            yield from self._all_labels(epoch)
            return
        one, two = self.nets
        clean_one, clean_two = (self._clean_probability(net) for net in self.nets)
        # Each learns from what the other believes, so that none confirms its own mistakes.
        for turn in (Turn(one, two, clean_two), Turn(two, one, clean_one)):
            self.turn = turn
            yield from self._divided(turn, epoch)

    def _all_labels(self, epoch: int) -> Iterator[Step]:
        """A pass over the training set for each network, in an order of its own."""
        samplers = [self._all(net) for net in self.nets]
        steps = len(samplers[0])
        for i, pair in enumerate(zip(*(sampler.one_pass() for sampler in samplers), strict=True)):
            yield Step(WARM_UP, tuple(Batch(batch.index, epoch) for batch in pair), epoch + i / steps)

    def _all(self, net: Model) -> Sampler:
        return self.env.sampler(f"all/{net.name}", 2 * self.batch_size, drop_last=False)

    def _clean_probability(self, net: Model) -> Tensor:
        """How likely each given label is right, as the network's losses have it: float64 [N]."""
        env, given = self.env, self.env.labels.given
        losses = []
        with env.evaluating(net):
            for index in torch.split(torch.arange(env.size, device=env.device), 8 * self.batch_size):
                logits = at_least_float32(env.logits(net, env.images(index)).logits)
                losses.append(F.cross_entropy(logits, given[index], reduction="none"))
        latest = scaled_losses(torch.cat(losses)).cpu()
        history = self.history[net.name] = remember(self.history[net.name], latest, self.loss_history)
        seed = env.draws("dividemix/mixture").child()
        return clean_probability(history.mean(0), seed).to(env.device)

    def _divided(self, turn: Turn, epoch: int) -> Iterator[Step]:
        """A pass over the clean side of the split, with as many batches of the other."""
        env, clean = self.env, turn.clean > self.p_threshold
        sides = {"clean": clean.nonzero().flatten(), "noisy": (~clean).nonzero().flatten()}
        labelled, unlabelled = (
            # A batch of one image is none of one: it comes in two views.
            env.sampler(f"{name}/{turn.net.name}", self.batch_size, side, drop_last=False, least=1)
            if len(side)
            else None
            for name, side in sides.items()
        )
        steps = len(labelled) if labelled else 1
        # As released: where the last batch is a full one, there is one batch fewer than the ramp counts.
        counted = len(sides["clean"]) // self.batch_size + 1
        for i in range(steps):
            # Each epoch splits anew, so for a memory the pass over either side is the epoch.
            pass_no = epoch - self.warmup_epochs
            batches = (next_batch(side, pass_no, env.labels.given[:0]) for side in (labelled, unlabelled))
            yield Step(MIXMATCH, tuple(batches), epoch + i / counted)

    # ----------------------------------------------------------------------------------------- one step
    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        """One step of the phase it belongs to; "loss" is the sum of both networks' during the warm-up."""
        if step.phase == MIXMATCH:
            return self._mixmatch(step, views)
        env = self.env
        losses = []
        for net, batch in zip(self.nets, step.batches, strict=True):
            x = training_view(env, net, batch.index, views, pass_no=batch.pass_no)
            logits = env.logits(net, x).logits
            losses.append(warmup_loss(logits, env.labels.given[batch.index], self.confidence_penalty))
        return descend(env, self.sgd, losses[0] + losses[1], {})

    def _mixmatch(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        env, (net, other, clean) = self.env, self.turn
        labelled, unlabelled = step.batches
        x, u = (training_pair(env, net, side, views) for side in step.batches)
        # As released, the trained network looks in training mode and the other one in evaluation mode.
        mine = guess(env, net, u)
        with env.evaluating(other):
            theirs = guess(env, other, u)
        given = one_hot(env.labels.given[labelled.index], env.spec.num_classes)
        corrected = refined(given, clean[labelled.index], guess(env, net, x))
        pairs = Pairs(
            x, u, sharpen(corrected, self.temperature), sharpen((mine + theirs) / 2, self.temperature)
        )
        mixing = draw_mixing(env.draws("dividemix/mix"), self.alpha, len(x) + len(u), env.device)
        losses, logits = mixmatch_losses(env, net, pairs, mixing, views=views, unlabelled=unlabelled)
        losses["prior_penalty"] = uniform_prior_penalty(logits)
        ramp = self.lambda_u * linear_ramp(step.time, self.warmup_epochs, self.ramp_epochs)
        return descend(env, self.sgd, total(losses, ramp) + losses["prior_penalty"], losses)

    def predict(self, x: Tensor) -> Tensor:
        """Soft-max of the sum of both networks' logits: [B, K]."""
        one, two = (at_least_float32(self.env.logits(net, x).logits) for net in self.nets)
        return probabilities(one + two)
