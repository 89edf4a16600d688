"""FixMatch (Sohn et al., NeurIPS 2020): consistency with confident pseudo labels, few labelled images."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from lpa3bench.api import Domain, Env, Guesses, Model, Phase, Policy, Step, Task, ViewFunction
from lpa3bench.data.sampler import Sampler
from lpa3bench.errors import ConfigError
from lpa3bench.nn.ema import EMA
from lpa3bench.ops import at_least_float32, one_hot, probabilities
from lpa3bench_plugins.parameters import at_least, fraction, not_negative, positive
from lpa3bench_plugins.tasks.steps import TRAIN, descend, strong_view, training_view


def learning_rate(step: int, steps: int, lr: float, warmup: int) -> float:
    """The rate of a step, counted from 0: a linear rise over `warmup` steps, then 7/16 of a cosine wave.

    At the end of `steps` the rate is still cos(7π/16) ≈ 0.2 times `lr`.
    """
    if step < warmup:
        return lr * step / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return lr * max(0.0, math.cos(7 / 16 * math.pi * done))


def decays(name: str) -> bool:
    """Whether the parameter of that full name takes weight decay.

    The released rule, a plain search for a piece of text: biases and the BatchNorms whose attribute is called
    something with "bn" are exempt. So the names that a backbone gives its layers matter.
    """
    return "bias" not in name and "bn" not in name


def repeated_rows(labelled: Tensor, count: int) -> Tensor:
    """int64 [n], the labelled images, as many times over as it takes to make `count` or more of them."""
    return labelled.repeat(-(-count // len(labelled)))


def confidence_mask(guess: Tensor, threshold: float) -> Tensor:
    """[M], 1 where the likeliest class of a row has the threshold or more, else 0. `guess`: [M, K]."""
    return (guess.max(dim=1).values >= threshold).to(guess.dtype)


def weighted_cross_entropy(logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """The mean over all M rows, those of weight 0 included, of weight · cross-entropy: a 0-d tensor.

    Args:
        logits: [M, K].
        label: int64 [M], or probabilities [M, K].
        weight: [M].
    """
    losses = F.cross_entropy(at_least_float32(logits), label, reduction="none")
    return (losses * weight).mean()


class FixMatch(Task):
    """Cross-entropy on the labelled images, and on strong views of all images whose weak view is clear.

    A step takes `batch_size` labelled and mu·`batch_size` unlabelled images. Each unlabelled image is seen in
    a weak view, whose prediction is the guess, and in a strong one, made from a weak view of its own by the
    augmenter in slot `strong`. With `positives`, what the augmenter there makes of the weak views joins as a
    third loss, with the same guesses and a threshold of its own; labelled images and strong views are not
    handed to it, though the paper's Algorithm 1 draws from the whole batch. Evaluation is by a moving average
    of the weights.

    A `policy` says otherwise than by one threshold how much each guess counts, and so makes FlexMatch,
    FreeMatch or SoftMatch of it. The views in `positives` keep their own threshold whatever the policy.

    Defaults are the released LP-A3 scripts' for CIFAR-10, which trained for 2^18 steps (FixMatch: 2^20).

    Args:
        batch_size: labelled images per step.
        mu: unlabelled images per labelled one.
        steps_per_epoch: an epoch is so many steps, whatever the data.
        lr, momentum, weight_decay: of SGD with Nesterov momentum; parameters with "bias" or "bn" in their
            name do not decay.
        warmup_steps: of the learning rate; the released runs had none.
        temperature: of the soft-max that makes the guess; a policy goes by the soft-max without.
        threshold: the confidence of a guess from which on the strong view counts, where there is no policy.
        policy: what says how much each guess counts; None: `threshold`.
        hard_labels: a strong view is trained towards the likeliest class. False: towards the whole guess.
        lambda_u: weight of the unlabelled loss. The released LP-A3 script has the option and ignores it (1).
        positives_threshold: the confidence from which on a view in `positives` counts.
        positives_weight: weight of their loss.
        ema_decay: of the moving average.
        labelled_too: the labelled images are among the unlabelled ones, as released for CIFAR. False: they
            are not, as released for STL-10.
        bn_chunks: the batch goes through the main BatchNorm in so many parts, each with its share of
            labelled, weak and strong images. The released runs took 4 GPUs without synchronising, which is
            4 parts; 1 is the natural choice on one. Running statistics move once a part. The passes of the
            slots' augmenters and of `positives` are not parted.

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/2001.07685"
    slots = ("view", "strong", "positives")
    saved: tuple[str, ...] = ("sgd", "ema", "labelled", "unlabelled")
    added = ("policy", "hard_labels")

    def __init__(
        self,
        *,
        batch_size: int = 64,
        mu: int = 7,
        steps_per_epoch: int = 1024,
        lr: float = 0.03,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        warmup_steps: int = 0,
        temperature: float = 1.0,
        threshold: float = 0.95,
        lambda_u: float = 1.0,
        positives_threshold: float = 0.9,
        positives_weight: float = 1.0,
        ema_decay: float = 0.999,
        labelled_too: bool = True,
        bn_chunks: int = 1,
        policy: Policy | None = None,
        hard_labels: bool = True,
    ) -> None:
        at_least(1, batch_size=batch_size, mu=mu, steps_per_epoch=steps_per_epoch, bn_chunks=bn_chunks)
        positive(lr=lr, temperature=temperature)
        not_negative(
            weight_decay=weight_decay,
            warmup_steps=warmup_steps,
            lambda_u=lambda_u,
            positives_weight=positives_weight,
        )
        fraction(threshold=threshold, positives_threshold=positives_threshold, ema_decay=ema_decay)
        if not 0 < momentum < 1:
            raise ValueError(f"momentum: must be in (0, 1), not {momentum}")
        if batch_size % bn_chunks:
            raise ValueError(f"bn_chunks: must divide batch_size, {batch_size}; {bn_chunks} does not")
        self.batch_size = batch_size
        self.mu = mu
        self.steps_per_epoch = steps_per_epoch
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.warmup_steps = warmup_steps
        self.temperature = temperature
        self.threshold = threshold
        self.lambda_u = lambda_u
        self.positives_threshold = positives_threshold
        self.positives_weight = positives_weight
        self.ema_decay = ema_decay
        self.labelled_too = labelled_too
        self.bn_chunks = bn_chunks
        self.policy = policy
        if policy is not None:  # checkpoints of runs without one stay what they were
            self.saved = (*self.saved, "policy")
        self.hard_labels = hard_labels
        self.env: Env
        self.net: Model
        self.sgd: torch.optim.SGD
        self.ema: EMA
        self.labelled: Sampler
        self.unlabelled: Sampler

    # ------------------------------------------------------------------------------------------- set-up
    def unshared(self) -> str | None:
        """Parts of a batch are not parts of what a process has of it; and what the policy has against it."""
        if self.bn_chunks != 1:
            return "the parts of bn_chunks would be others; set it to 1, or start it without torchrun"
        why = None if self.policy is None else self.policy.unshared()
        return why and f"{type(self.policy).__name__}: {why}"

    def setup(self, env: Env) -> None:
        """Build the optimiser, the average and both orders.

        Raises:
            ConfigError: there is no image to learn from without its label.
        """
        labelled = env.labels.labelled
        pool = torch.ones_like(labelled) if self.labelled_too else ~labelled
        if not bool(pool.any()):
            raise ConfigError("FixMatch.labelled_too: False leaves nothing, because every image has a label")
        self.env = env
        if self.policy is not None:
            self.policy.setup(env, pool)
        self.net = env.model("net")
        self.ema = EMA(self.net, self.ema_decay)
        named = list(self.net.named_parameters())
        groups = [
            {"params": [p for name, p in named if decays(name)], "weight_decay": self.weight_decay},
            {"params": [p for name, p in named if not decays(name)], "weight_decay": 0.0},
        ]
        self.sgd = torch.optim.SGD(groups, self.lr, self.momentum, nesterov=True, foreach=True)
        # The labelled images are repeated to fill an epoch and then shuffled as a whole, as released: images
        # may come twice in a batch, and some are drawn a little more often than others.
        samples = repeated_rows(labelled.nonzero().flatten(), self.batch_size * self.steps_per_epoch)
        self.labelled = env.sampler("labelled", self.batch_size, samples)
        self.unlabelled = env.sampler("unlabelled", self.mu * self.batch_size, pool.nonzero().flatten())

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        return (Phase(TRAIN, 0, self.steps_per_epoch),)

    def batches(self, epoch: int) -> Iterator[Step]:
        """The next labelled and unlabelled images; passes over either go on from epoch to epoch."""
        for i in range(self.steps_per_epoch):
            both = (self.labelled.next(), self.unlabelled.next())
            yield Step(TRAIN, both, epoch + i / self.steps_per_epoch)

    # ----------------------------------------------------------------------------------------- one step
    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        """One step on the sum of the losses."""
        env, net = self.env, self.net
        labelled, unlabelled = step.batches
        label = env.labels.given[labelled.index]
        given = one_hot(label, env.spec.num_classes)
        x = training_view(env, net, labelled.index, views, target=given, pass_no=labelled.pass_no)
        weak = training_view(env, net, unlabelled.index, views, pass_no=unlabelled.pass_no)
        strong, domain = strong_view(env, net, unlabelled, views)
        if domain == "main":
            on_x, on_weak, on_strong = self._logits(x, weak, strong)
        else:
            on_x, on_weak = self._logits(x, weak)
            (on_strong,) = self._logits(strong, domain=domain)

        guess = probabilities(at_least_float32(on_weak.detach()) / self.temperature)
        guessed = guess.max(dim=1).indices
        weight = self._weight(guess, on_weak.detach(), unlabelled.index, on_x.detach())
        pseudo_label = guessed if self.hard_labels else guess
        labelled_loss = env.weighted(F.cross_entropy(at_least_float32(on_x), label), len(x))
        unlabelled_loss = env.weighted(weighted_cross_entropy(on_strong, pseudo_label, weight), len(strong))
        loss = labelled_loss + self.lambda_u * unlabelled_loss
        logs = {
            "labelled_loss": labelled_loss,
            "unlabelled_loss": unlabelled_loss,
            "confident": env.weighted(weight.mean(), len(strong)),
        }
        penalty = None if self.policy is None else self.policy.penalty(on_strong, weight)
        if penalty is not None:
            loss = loss + penalty
            logs["policy_loss"] = penalty
        hard = views(
            "positives",
            net,
            weak,
            index=unlabelled.index,
            target=guess,
            pass_no=unlabelled.pass_no,
            pool=None if self.labelled_too else self.unlabelled.subset,
        )
        if hard is not None and env.total(len(hard.x)):
            on_hard = env.logits(net, hard.x, hard.domain, slot="positives").logits
            clear = confidence_mask(guess[hard.rows], self.positives_threshold)
            hard_loss = env.weighted(weighted_cross_entropy(on_hard, guessed[hard.rows], clear), len(hard.x))
            loss = loss + self.positives_weight * hard_loss
            clear_share = env.weighted(clear.mean(), len(hard.x))
            logs |= {"positives_loss": hard_loss, "positives_confident": clear_share}
        self._set_rate(round(step.time * self.steps_per_epoch))
        logged = descend(env, self.sgd, loss, logs)
        self.ema.update()
        return logged

    def _weight(self, guess: Tensor, on_weak: Tensor, index: Tensor, on_x: Tensor) -> Tensor:
        """[M], how much each guess counts."""
        if self.policy is None:
            return confidence_mask(guess, self.threshold)
        return self.policy.weigh(Guesses(probabilities(on_weak), index, probabilities(on_x)))

    def _logits(self, *batches: Tensor, domain: Domain = "main") -> list[Tensor]:
        """The logits of each batch, from passes of `bn_chunks` parts that hold a share of every batch."""
        parts = []
        for shares in zip(*(x.tensor_split(self.bn_chunks) for x in batches), strict=True):
            logits = self.env.logits(self.net, torch.cat(shares), domain).logits
            parts.append(torch.split(logits, [len(share) for share in shares]))
        return [torch.cat(part) for part in zip(*parts, strict=True)]

    def _set_rate(self, step: int) -> None:
        lr = learning_rate(step, self.steps_per_epoch * self.env.epochs, self.lr, self.warmup_steps)
        for group in self.sgd.param_groups:
            group["lr"] = lr

    def predict(self, x: Tensor) -> Tensor:
        """Soft-max of the average's main branch: [B, K]."""
        return probabilities(self.env.logits(self.ema.model, x).logits)
