"""The measures of a card for conditions (a) and (b): what is told of the label, and of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lpa3bench.analysis.card.card_measures import CardMeasure, proportion, spread
from lpa3bench.analysis.card.judge import Seen
from lpa3bench.analysis.card.probes import Reading, bits

SLIGHT = 0.05
"""Nats that images must tell of a target for the share that views keep to mean anything."""


def label_information(
    plain: Mapping[str, list[Reading]],
    viewed: Mapping[str, list[Reading]],
    *,
    n: int,
    where: str,
    prefix: str,
) -> list[CardMeasure]:
    """What is told of each target by images, by views, and the share that is kept.

    Args:
        plain, viewed: readings of each target, one for each seed.
        n: held-out images that were read.
        where: of which data.
        prefix: of the keys.
    """
    found = []
    for name, readings in plain.items():
        told: dict[str, Any] = {"group": "label" if name == "label" else "nuisance", "n": n}
        for key, symbol, who, sight in (
            ("x", "x", "images", readings),
            ("view", "x'", "views", viewed[name]),
        ):
            found += _told(f"{prefix}_{name}_{key}", name, sight, symbol=symbol, who=who, where=where, **told)
        base = sum(reading.nats for reading in readings) / len(readings)
        if base > SLIGHT:
            found.append(
                spread(
                    [reading.nats / base for reading in viewed[name]],
                    key=f"{prefix}_{name}_kept",
                    title=f"{name} kept, {where}",
                    unit="ratio",
                    definition="The bound for views over the bound for images (their mean over seeds).",
                    **told,
                )
            )
    return found


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


def recognition(judge: Seen) -> list[CardMeasure]:
    """A proxy of I(x; x') for any data."""
    return [
        proportion(
            judge.recognised,
            group="nuisance",
            key="recognised",
            title="image recognised in its view",
            definition="Proxy of I(x; x'): share of views to which, of all held-out images, the one it was "
            "made of is nearest, by the judge's φ of the last feature map. What the judge does not look at "
            "is not counted.",
        )
    ]
