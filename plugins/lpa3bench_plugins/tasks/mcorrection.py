"""MCorrection: unsupervised label noise modelling and loss correction (Arazo et al., ICML 2019)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lpa3bench.api import Env, Step, ViewFunction
from lpa3bench.data.sampler import Batch
from lpa3bench.ops import at_least_float32, one_hot, probabilities, uniform_prior_penalty
from lpa3bench_plugins.parameters import at_least, not_negative
from lpa3bench_plugins.tasks import betamixture
from lpa3bench_plugins.tasks.mixup import MIXUP, Mixture, Mixup, mixup_losses

DYNAMIC, BOOTSTRAP = "dynamic mixup", "bootstrapping"
Variant = Literal["m_dyr_h", "md_dyr_sh"]


def hard_guess(logits: Tensor) -> Tensor:
    """What the network itself says, one-hot: [B, K]."""
    return one_hot(logits.argmax(1), logits.shape[1])


def soft_guess(logits: Tensor, temperature: float) -> Tensor:
    """softmax(logits / T): [B, K]. With T → 0 the hard guess."""
    return probabilities(at_least_float32(logits) / temperature)


def bootstrapped(target: Tensor, guess: Tensor, wrong: Tensor) -> Tensor:
    """(1 − B) · label + B · guess, row by row: [B, K].

    Cross-entropy is linear in its target, so this is the paper's weighted sum of two cross-entropies.

    Args:
        target, guess: [B, K].
        wrong: [B], the probability B that the label is wrong.
    """
    return torch.lerp(target, guess.to(target.dtype), wrong[:, None].to(target.dtype))


def dynamic_share(wrong: Tensor, partner: Tensor) -> Tensor:
    """(1 − B_p) / ((1 − B_p) + (1 − B_q)): the image whose label is likelier right has the larger part.

    Args:
        wrong: [B], the probability B that the label is wrong, below 1.
        partner: int64 [B], q of each row p.

    Returns:
        [B, 1, 1, 1].
    """
    right = 1 - wrong
    return (right / (right + right[partner])).view(-1, 1, 1, 1)


def temperature_at(epoch: int, first: int, length: int, last: float) -> float:
    """1 in epoch `first`, falling in a straight line over `length` epochs to `last`, which it keeps."""
    done = min(max(epoch - first, 0) / max(length - 1, 1), 1.0)
    return 1 + (last - 1) * done


class MCorrection(Mixup):
    """Mixup, then labels that give way to the network's own guess where their loss betrays them as wrong.

    Up to `bootstrap_epoch` it is Mixup. Before that epoch and each one after it the cross-entropy of all
    training images is taken (on their training views, network in eval mode) and a mixture of two beta
    distributions is fitted to it (see `betamixture`); by the mixture an image's present loss, network in eval
    mode again, tells the probability B that its label is wrong.

    "m_dyr_h": targets are (1 − B) · label + B · z, z the network's hard guess for the un-mixed view (network
    in training mode, as released), and a penalty keeps the mean prediction near uniform.
    "md_dyr_sh": images are mixed by `dynamic_share` instead. Up to `soft_epoch` the targets are the given
    labels, in shares from the Beta distribution; then they are bootstrapped with the soft guess
    softmax(logits / T), half and half, and the penalty is added. The released penalty counts ten classes in
    this variant, whatever the data; here it is over all of them.

    Defaults are the released script's (300 epochs). Its noise seeds are fixed; here the run's seed decides.

    With `positives` the views are mixed with the same partners and shares, and their loss against the same,
    bootstrapped, targets is added with weight 1; the penalty is on the clean batch alone. The paper has no
    such row: it is an extension without reference values.

    Args:
        batch_size, lr, momentum, weight_decay, milestones, alpha: as Mixup's.
        variant: "m_dyr_h", the authors' better one at 50 and 80 % noise on CIFAR-10 and 80 % on CIFAR-100;
            "md_dyr_sh" elsewhere.
        bootstrap_epoch: the first epoch, counted from 0, that is not plain Mixup.
        soft_epoch: of "md_dyr_sh", the first with bootstrapping.
        temperature_epochs: T falls from 1 to `temperature_last` over so many epochs from `soft_epoch` on.
        temperature_last: see there.
        penalty_weight: of the penalty.

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/1904.11238"
    saved = (*Mixup.saved, "low", "high", "table")

    def __init__(
        self,
        *,
        batch_size: int = 128,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        milestones: tuple[int, ...] = (100, 250),
        alpha: float = 32.0,
        variant: Variant = "m_dyr_h",
        bootstrap_epoch: int = 105,
        soft_epoch: int = 110,
        temperature_epochs: int = 89,
        temperature_last: float = 0.001,
        penalty_weight: float = 1.0,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            milestones=milestones,
            alpha=alpha,
        )
        if variant not in ("m_dyr_h", "md_dyr_sh"):
            raise ValueError(f"variant: must be 'm_dyr_h' or 'md_dyr_sh', not {variant!r}")
        not_negative(bootstrap_epoch=bootstrap_epoch, penalty_weight=penalty_weight)
        if soft_epoch < bootstrap_epoch and variant == "md_dyr_sh":
            raise ValueError(f"soft_epoch: must be >= bootstrap_epoch, not {soft_epoch}")
        at_least(1, temperature_epochs=temperature_epochs)
        if not 0 < temperature_last <= 1:
            raise ValueError(f"temperature_last: must be in (0, 1], not {temperature_last}")
        self.variant: Variant = variant
        self.bootstrap_epoch = bootstrap_epoch
        self.soft_epoch = soft_epoch
        self.temperature_epochs = temperature_epochs
        self.temperature_last = temperature_last
        self.penalty_weight = penalty_weight
        self.temperature = 1.0

    def setup(self, env: Env) -> None:
        """Also start with labels that are as likely wrong as right."""
        super().setup(env)
        self.low, self.high, self.table = betamixture.unknown(env.device)

    def stages(self) -> tuple[tuple[str, int], ...]:
        """Two stages, or three with dynamic mixup."""
        if self.variant == "m_dyr_h":
            return ((MIXUP, 0), (BOOTSTRAP, self.bootstrap_epoch))
        return ((MIXUP, 0), (DYNAMIC, self.bootstrap_epoch), (BOOTSTRAP, self.soft_epoch))

    def begin_epoch(self, epoch: int) -> None:
        """Also set the temperature of the soft guess."""
        super().begin_epoch(epoch)
        self.temperature = temperature_at(
            epoch, self.soft_epoch, self.temperature_epochs, self.temperature_last
        )

    def end_epoch(self, epoch: int) -> None:
        """Fit the mixture to the losses of all training images, where the next epoch looks at it.

        The release does so after every epoch, at the cost of a pass that up to `bootstrap_epoch` nobody uses.
        """
        if self.bootstrap_epoch <= epoch + 1 < self.env.epochs:
            self.low, self.high, self.table = betamixture.suspicion(self._losses(epoch))

    def _losses(self, epoch: int) -> Tensor:
        """[N], the cross-entropy of each training image with its given label."""
        everything = torch.arange(self.env.size, device=self.env.device)
        with self.env.evaluating(self.net):
            return torch.cat(
                [
                    self._cross_entropy(self.training_view(Batch(index, epoch), self.env.views), index)
                    for index in torch.split(everything, 4 * self.batch_size)
                ]
            )

    def _cross_entropy(self, x: Tensor, index: Tensor) -> Tensor:
        """[B], with the given labels."""
        logits = at_least_float32(self.env.logits(self.net, x).logits)
        return F.cross_entropy(logits, self.env.labels.given[index], reduction="none")

    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        """One step of the stage it belongs to."""
        if step.phase == MIXUP:
            return super().update(step, views)
        (batch,) = step.batches
        env, net, index = self.env, self.net, batch.index
        x = self.training_view(batch, views)
        known = betamixture.Suspicion(self.low, self.high, self.table)
        with env.evaluating(net):
            wrong = betamixture.wrong(self._cross_entropy(x, index), known)
        target = self.given(index)
        if step.phase == BOOTSTRAP:
            target = bootstrapped(target, self._guess(x), wrong)
        mixture = self.draw(len(x))
        if self.variant == "md_dyr_sh":
            share = dynamic_share(wrong, mixture.partner)
            halves = 0.5 if step.phase == BOOTSTRAP else mixture.target_share
            mixture = Mixture(mixture.partner, share, halves)
        hard = views("positives", net, x, index=index, target=target, pass_no=batch.pass_no)
        logits, losses = mixup_losses(env, net, x, target, hard, mixture)
        if step.phase == BOOTSTRAP:
            losses["penalty"] = self.penalty_weight * uniform_prior_penalty(logits)
        return self.descend(losses) | {"wrong_share": wrong.mean()}

    def _guess(self, x: Tensor) -> Tensor:
        """[B, K], what the network makes of the un-mixed view, in training mode: its statistics move."""
        with torch.no_grad():
            logits = self.env.logits(self.net, x).logits
        return hard_guess(logits) if self.variant == "m_dyr_h" else soft_guess(logits, self.temperature)
