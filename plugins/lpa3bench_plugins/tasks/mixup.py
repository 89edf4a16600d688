"""Mixup (Zhang et al., ICLR 2018) on noisy labels, as Arazo et al. (ICML 2019) ran it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from lpa3bench.api import Env, Model, Step, View, ViewFunction
from lpa3bench.ops import mix, soft_cross_entropy, staircase
from lpa3bench.runtime.device import send
from lpa3bench_plugins.parameters import positive
from lpa3bench_plugins.tasks.fullylabelled import FullyLabelled, check_milestones

MIXUP = "mixup"


class Mixture(NamedTuple):
    """Who is mixed with whom, and how much of a row is its own."""

    partner: Tensor
    """int64 [B], a permutation."""
    share: float | Tensor
    """Of the image: one number for the batch, or [B, 1, 1, 1]."""
    target_share: float
    """Of the target."""


def mixup_losses(
    env: Env, net: Model, x: Tensor, target: Tensor, hard: View | None, mixture: Mixture
) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy of the mixed batch, and of that with hard positives in place of the rows they view.

    The positives are mixed with the same partners, shares and targets as the images they replace; their loss
    is over their rows alone, and through the BatchNorm that they ask for.

    Args:
        x: [B, C, H, W], the batch.
        target: [B, K], probabilities.
        hard: what the slot `positives` made of x; None: nothing stands there.

    Returns:
        The logits [B, K] of the mixed batch, and the losses "clean_loss" and, where there are positives,
        "positives_loss".
    """
    mixed_target = mix(target, mixture.partner, mixture.target_share)
    logits = env.logits(net, mix(x, mixture.partner, mixture.share)).logits
    losses = {"clean_loss": soft_cross_entropy(logits, mixed_target)}
    if hard is not None and len(hard.x):
        # Partners are taken from the batch with its images replaced, as PES + LP-A3 does.
        replaced = x.index_copy(0, hard.rows, hard.x)
        mixed = mix(replaced, mixture.partner, mixture.share)[hard.rows]
        hard_logits = env.logits(net, mixed, hard.domain, slot="positives").logits
        losses["positives_loss"] = soft_cross_entropy(hard_logits, mixed_target[hard.rows])
    return logits, losses


class Mixup(FullyLabelled):
    """Cross-entropy on convex combinations of two images and of their labels.

    Each batch is mixed with a permutation of itself by one share from Beta(alpha, alpha), which for the large
    alpha that noisy labels ask for lies near one half. Defaults are those of the published row, which is
    M-correction's script without its bootstrapping (300 epochs). The mixup authors' own script for clean
    labels has alpha 1, 200 epochs and milestones 100 and 150.

    With `positives` the views are mixed with the same partners and share, and their loss against the same
    mixed targets is added with weight 1. The paper has no such row: it is an extension without reference
    values.

    Args:
        batch_size: images per step.
        lr: divided by ten at each of `milestones`.
        momentum, weight_decay: of SGD.
        milestones: epochs, ascending.
        alpha: both parameters of the share's Beta distribution.

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/1710.09412"

    def __init__(
        self,
        *,
        batch_size: int = 128,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        milestones: tuple[int, ...] = (100, 250),
        alpha: float = 32.0,
    ) -> None:
        super().__init__(batch_size=batch_size, lr=lr, momentum=momentum, weight_decay=weight_decay)
        check_milestones(milestones)
        positive(alpha=alpha)
        self.milestones = milestones
        self.alpha = alpha

    def stages(self) -> tuple[tuple[str, int], ...]:
        return ((MIXUP, 0),)

    def rate(self, epoch: int) -> float:
        """`lr`, divided by ten at each milestone."""
        return staircase(epoch, self.lr, self.milestones)

    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        """One step on a mixed batch."""
        (batch,) = step.batches
        x = self.training_view(batch, views)
        target = self.given(batch.index)
        hard = views("positives", self.net, x, index=batch.index, target=target, pass_no=batch.pass_no)
        _, losses = mixup_losses(self.env, self.net, x, target, hard, self.draw(len(x)))
        return self.descend(losses)

    def draw(self, count: int) -> Mixture:
        """A share and partners for a batch of `count` images."""
        draws = self.env.draws("mixup")
        share = draws.beta(self.alpha, self.alpha)
        partner = send(draws.permutation(count), self.env.device)
        return Mixture(partner, share, share)
