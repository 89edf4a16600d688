"""The measures of a card for conditions (a) and (b): what is told of the label, and of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lpa3bench.analysis.card.card_measures import CardMeasure, bootstrap, proportion, spread
from lpa3bench.analysis.card.probes import Reading, bits, read_probe
from lpa3bench.analysis.card.views import Viewed
from lpa3bench.runtime.seeding import Draws

SLIGHT = 0.05
"""Nats that images must tell of a target for the share that views keep to mean anything."""


class Target(NamedTuple):
    """What probes are to read off images, and off the views of them."""

    classes: int
    """How many values it has."""
    learned: tuple[Tensor, Tensor]
    """int64 [N] each: of the images that probes learn on, and of their views."""
    asked: tuple[Tensor, Tensor]
    """int64 [M] each: of the held-out images, and of their views."""


def label_target(learn: Viewed, held: Viewed, classes: int) -> Target:
    """The label; of a view what the augmenter says that it is."""
    return Target(classes, (learn.label, learn.view_label), (held.label, held.view_label))


def what_is_told(
    learn: Viewed, held: Viewed, targets: Mapping[str, Target], *, where: str, prefix: str, seed: int
) -> list[CardMeasure]:
    """What images and views tell of each target, and the share that views keep.

    Args:
        learn: what probes learn on.
        held: what they read, of other images.
        targets: by name; "label" is for condition (a), any other a nuisance, for (b).
        where: of which data.
        prefix: of the keys.
        seed: of the card.
    """
    found = []
    for name, (classes, learned, asked) in targets.items():
        plain, viewed = (
            read_probe(x, target, other, other_target, classes, seed=seed)
            for x, target, other, other_target in (
                (learn.x, learned[0], held.x, asked[0]),
                (learn.view, learned[1], held.view, asked[1]),
            )
        )
        told: dict[str, Any] = {"group": "label" if name == "label" else "nuisance", "n": len(held.x)}
        for key, symbol, who, sight in (("x", "x", "images", plain), ("view", "x'", "views", viewed)):
            found += _told(f"{prefix}_{name}_{key}", name, sight, symbol=symbol, who=who, where=where, **told)
        if sum(reading.nats for reading in plain) / len(plain) > SLIGHT:
            key, title = f"{prefix}_{name}_kept", f"{name} kept, {where}"
            found.append(_kept(plain, viewed, key=key, title=title, **told))
    return found


def _kept(plain: Sequence[Reading], viewed: Sequence[Reading], **told: Any) -> CardMeasure:
    """The share that views keep, with an interval over held-out images and probes' seeds together."""
    seeds, draws = len(plain), Draws(0)

    def share(means: list[Tensor]) -> Tensor:
        chosen = draws.integers((len(means[0]), seeds), 0, seeds) if len(means[0]) > 1 else None
        before, after = (
            (column if chosen is None else column.gather(1, chosen)).mean(1)
            for column in (torch.stack(means[:seeds], 1), torch.stack(means[seeds:], 1))
        )
        return (viewed[0].entropy - after).clamp_min(0) / (plain[0].entropy - before)

    columns = [reading.losses for reading in (*plain, *viewed)]
    low, high = bootstrap(columns, share)
    return CardMeasure(
        value=float(share([column.mean().view(1) for column in columns])),
        low=low,
        high=high,
        interval="bootstrap over images and seeds",
        unit="ratio",
        definition="The bound for views over the bound for images, their means over seeds. Of two lower "
        "bounds, so itself no bound: 1 is nothing lost that such a probe would find.",
        **told,
    )


def _told(
    key: str, name: str, readings: Sequence[Reading], *, symbol: str, who: str, where: str, **told: Any
) -> list[CardMeasure]:
    """What one kind of images tells of one target."""
    entropy = bits(readings[0].entropy)
    return [
        spread(
            [bits(reading.nats) for reading in readings],
            key=f"{key}_bits",
            title=f"{name} told by {who}, {where}",
            unit="bits",
            definition=f"Lower bound of I({symbol}; {name}): its entropy, {entropy:.2f} bits, less the "
            f"held-out cross-entropy of probes trained from scratch on {who}; 0 where negative.",
            **told,
        ),
        spread(
            [reading.accuracy for reading in readings],
            key=f"{key}_accuracy",
            title=f"{name} read off {who}, {where}",
            unit="share",
            definition=f"Accuracy of the same probes on held-out {who}.",
            **told,
        ),
    ]


def recognition(by_judge: Tensor) -> list[CardMeasure]:
    """A proxy of I(x; x') for any data. by_judge: bool [N], as `judge.recognised` tells."""
    return [
        proportion(
            by_judge,
            group="nuisance",
            key="recognised",
            title="image recognised in its view",
            definition="Proxy of I(x; x'): share of views to which, of all held-out images, the one it was "
            "made of is nearest, by the judge's φ of the last feature map. What the judge does not look at "
            "is not counted.",
        )
    ]
