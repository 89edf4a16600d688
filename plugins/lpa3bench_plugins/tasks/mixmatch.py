"""MixMatch (Berthelot et al., NeurIPS 2019) as PES and DivideMix train with it, hard positives included.

Every image comes in two views, and a batch stacks them view by view: first views, then second ones.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lpa3bench.api import Env, Model, View, ViewFunction
from lpa3bench.data.sampler import Batch, Sampler
from lpa3bench.ops import mix, probabilities, soft_cross_entropy, squared_error
from lpa3bench.runtime.device import send
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.tasks.steps import training_view

WARM_UP, MIXMATCH = "warm-up", "mixmatch"
"""Phases of the tasks that learn from all labels first, and by MixMatch then."""


class Mixing(NamedTuple):
    """Who is mixed with whom, and how much."""

    share: float
    """Of a row itself, one for the whole batch: at least 1/2."""
    order: Tensor
    """int64 [rows], every row's partner."""


class Pairs(NamedTuple):
    """Two views of every image of a step, and the targets that both of them have."""

    x: Tensor
    """[2·Bx, C, H, W], the labelled images."""
    u: Tensor
    """[2·Bu, C, H, W], the unlabelled ones."""
    target_x: Tensor
    """[Bx, K]"""
    target_u: Tensor
    """[Bu, K]"""

    @property
    def images(self) -> Tensor:
        """[2·(Bx + Bu), C, H, W]"""
        return torch.cat([self.x, self.u])

    @property
    def targets(self) -> Tensor:
        """[2·(Bx + Bu), K], row by row those of `images`."""
        return torch.cat([self.target_x.repeat(2, 1), self.target_u.repeat(2, 1)])


# ----------------------------------------------------------------------------------------------- the images
def next_batch(side: Sampler | None, pass_no: int, nothing: Tensor) -> Batch:
    """The next samples of a side of the split; `nothing`, int64 [0], of a side that is empty (None)."""
    return Batch(nothing if side is None else side.next().index, pass_no)


def training_pair(env: Env, net: Model, batch: Batch, views: ViewFunction) -> Tensor:
    """Two training views of a batch, stacked: [2·B, C, H, W]."""
    return torch.cat([training_view(env, net, batch.index, views, pass_no=batch.pass_no) for _ in range(2)])


# ---------------------------------------------------------------------------------------------- the targets
def guess(env: Env, net: Model, pair: Tensor) -> Tensor:
    """What the network makes of both views, on average and without gradient: [2·B, C, H, W] to [B, K].

    One pass per view, as released, in the mode that the network is in. Views of a single image share a pass,
    because BatchNorm in training mode needs more than one value.
    """
    if len(pair) == 0:
        return pair.new_zeros(0, env.spec.num_classes)
    with torch.no_grad():
        passes = pair.chunk(2 if len(pair) > 2 else 1)
        probs = torch.cat([probabilities(env.logits(net, x).logits) for x in passes])
    one, two = probs.chunk(2)
    return (one + two) / 2


# ----------------------------------------------------------------------------------------------- the losses
def draw_mixing(draws: Draws, alpha: float, rows: int, device: torch.device) -> Mixing:
    """The larger part of a draw from Beta(alpha, alpha), and a random order of the rows."""
    share = draws.beta(alpha, alpha)
    order = send(draws.permutation(rows), device)
    return Mixing(max(share, 1 - share), order)


def mixmatch_losses(
    env: Env,
    net: Model,
    pairs: Pairs,
    mixing: Mixing,
    *,
    views: ViewFunction,
    unlabelled: Batch,
    class_weight: Tensor | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Mix the step's images and their targets, and train on the mixture.

    With an augmenter in slot `positives` its views of the unlabelled images are mixed with the same partners
    and the same share, and pulled towards the same targets.

    Args:
        unlabelled: where `pairs.u` was drawn from.
        class_weight: [K], for the labelled loss; all one where absent.

    Returns:
        What `losses_of` returns, with "positives_loss" where there are positives; and the logits of the
        mixed rows, [2·(Bx + Bu), K].
    """
    images, target = pairs.images, mix(pairs.targets, mixing.order, mixing.share)
    added: dict[str, Tensor] = {}
    hard = None
    if len(pairs.u):
        hard = views(
            "positives",
            net,
            pairs.u,
            index=unlabelled.index.repeat(2),
            target=pairs.target_u.repeat(2, 1),
            copies=2,
            pass_no=unlabelled.pass_no,
        )
    if hard is not None and len(hard.x):
        mixed, places = mixed_positives(images, hard, len(pairs.x), mixing)
        logits = env.logits(net, mixed, hard.domain, slot="positives").logits
        added["positives_loss"] = squared_error(logits, target[places])
    logits = env.logits(net, mix(images, mixing.order, mixing.share)).logits
    return losses_of(logits, target, len(pairs.x), class_weight) | added, logits


def mixed_positives(images: Tensor, hard: View, labelled: int, mixing: Mixing) -> tuple[Tensor, Tensor]:
    """The hard positives, mixed: [M, C, H, W], and int64 [M], their places among the images.

    All partners are taken from the batch with its unlabelled images replaced, as released; a view that
    selects leaves the other images as they are, and what is returned is the selected rows.
    """
    share, order = mixing
    places = labelled + hard.rows
    replaced = images.index_copy(0, places, hard.x)
    return share * replaced[places] + (1 - share) * replaced[order[places]], places


def losses_of(
    logits: Tensor, target: Tensor, labelled: int, class_weight: Tensor | None = None
) -> dict[str, Tensor]:
    """MixMatch's two losses, before the ramp.

    Args:
        logits, target: [rows, K] of the mixed rows, the labelled ones first.
        labelled: how many these are.
        class_weight: [K], for the labelled loss; all one where absent.

    Returns:
        0-d tensors: "labelled_loss" (0 where no row is labelled), and "unlabelled_loss" where a row is
        unlabelled.
    """
    losses = {"labelled_loss": logits.sum() * 0}
    if labelled:
        losses["labelled_loss"] = soft_cross_entropy(logits[:labelled], target[:labelled], class_weight)
    if labelled < len(logits):
        losses["unlabelled_loss"] = squared_error(logits[labelled:], target[labelled:])
    return losses


def total(losses: dict[str, Tensor], unlabelled_weight: float) -> Tensor:
    """The labelled loss plus the weighted sum of those on unlabelled images, hard positives included."""
    unsupervised = [losses[name] for name in ("unlabelled_loss", "positives_loss") if name in losses]
    return losses["labelled_loss"] + unlabelled_weight * sum(unsupervised)
