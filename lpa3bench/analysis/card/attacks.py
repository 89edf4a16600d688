"""The networks that views are made against: how good they are, and how far the views go.

A network that tells little from little is attacked by views that are hardly different from the images, so an
attack on one says nothing of the augmenter: below a stated accuracy there is no card.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lpa3bench.analysis.card.card_measures import CardMeasure, mean, proportion
from lpa3bench.analysis.card.judge import Seen, look
from lpa3bench.analysis.card.views import Maker, Viewed
from lpa3bench.analysis.trained_run import Trained
from lpa3bench.errors import RunFailed
from lpa3bench.runtime.seeding import Draws, derive

FLOOR = 0.7
"""Accuracy on held-out images that a card's networks must have, if nothing else was asked for."""


class Attack(NamedTuple):
    """Views that were made against a network, and what it sees in them."""

    viewed: Viewed
    seen: Seen
    right: Tensor
    """bool [M], which held-out images the network predicts right."""


def attack(
    maker: Maker, x: Tensor, label: Tensor, *, held: tuple[Tensor, Tensor], seed: int, name: str
) -> Attack:
    """Views of images [N, C, H, W] with labels int64 [N].

    Args:
        held: images and labels that the network's accuracy is of.
        seed, name: as `Maker.views` takes them.
    """
    viewed = maker.views(x, label, seed=seed, name=name)
    seen = look(maker.trained.net, viewed.x, viewed.view, viewed.domain)
    return Attack(viewed, seen, maker.trained.right(*held))


def held_out(trained: Trained, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Test images of a run in a drawn order, [n, C, H, W] with n at most `count`, and their labels.

    Of the judge's run: images that no network of the card was trained on.
    """
    test = trained.test
    order = Draws(derive(seed, "card", "held out")).permutation(len(test.images))
    index = order[:count].to(trained.device)
    return test.images.plain(index), test.labels[index]


def good_enough(who: str, trained: Trained, held: tuple[Tensor, Tensor], *, floor: float, cure: str) -> None:
    """Refuse a network that is no better than the floor.

    Args:
        who: the network, as the message calls it.
        held: images and labels.
        floor: the accuracy that it must have.
        cure: what to do.

    Raises:
        RunFailed: its accuracy on these images is below the floor.
    """
    right = trained.right(*held)
    accuracy = float(right.double().mean())
    if accuracy < floor:
        raise RunFailed(
            f"{trained.folder.path}: {who} gets {100 * accuracy:.1f} % of {len(right)} held-out images of "
            f"{trained.spec.name} right, and a card needs {100 * floor:g} %; {cure}"
        )


def attack_measures(
    key: str, name: str, made: Attack, *, of: str = "held-out images", floor: float | None = None
) -> list[CardMeasure]:
    """How good a network is, and how far from their images the views against it are.

    Args:
        key, name: of the network.
        of: what the views are of.
        floor: accuracy below which there is no card; None: there is none.
    """
    stated = "" if floor is None else f" Below {100 * floor:g} % there is no card."
    gap = (made.viewed.view - made.viewed.x).float().flatten(1).cpu()
    distances = (
        ("l2", "L2", "image units", torch.linalg.vector_norm(gap, dim=1)),
        ("linf", "L∞", "image units", gap.abs().amax(1)),
        ("phi", "perceptual", "φ", made.seen.distance),
    )
    accuracy = proportion(
        made.right,
        group="attacked",
        key=f"{key}_accuracy",
        title=f"accuracy, {name}",
        definition=f"Share of held-out images that {name} predicts right.{stated}",
    )
    return [
        accuracy,
        *(
            mean(
                values,
                group="attacked",
                key=f"{key}_{which}",
                title=f"{kind} distance, {name}",
                unit=unit,
                definition=f"Between {of} and the views of them that were made against it.",
            )
            for which, kind, unit, values in distances
        ),
    ]
