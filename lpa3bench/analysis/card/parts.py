"""The measures of a card that are taken of views: pure functions of what networks saw in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lpa3bench.analysis.card.card_measures import CardMeasure, exactly, mean, proportion, wilson
from lpa3bench.analysis.card.judge import Seen
from lpa3bench.analysis.card.views import Viewed
from lpa3bench.records.schema import Cost


# --------------------------------------------------------------------------------------------- preservation
def preservation(judge: Seen, viewed: Viewed) -> list[CardMeasure]:
    """Whether the judge still sees the label."""
    label, view_label = viewed.label.cpu(), viewed.view_label.cpu()
    clean, seen = judge.before.argmax(1), judge.after.argmax(1)
    right = clean == label
    told: dict[str, Any] = {"group": "preservation"}
    return [
        proportion(
            ~right,
            key="judge_error",
            title="judge's error on the images",
            definition="Share of the images themselves that the judge gets wrong: what the judge's word is "
            "worth. True labels.",
            **told,
        ),
        proportion(
            seen == clean,
            key="preserved",
            title="label preserved, to the judge",
            definition="Share of views that the judge gives the same class as it gave the image.",
            **told,
        ),
        proportion(
            (seen == view_label)[right],
            key="preserved_known",
            title="label preserved, of images that the judge gets right",
            definition="Of the images that the judge gives their true class, the share whose view it gives "
            "that class (or the class that the augmenter says the view has).",
            **told,
        ),
        proportion(
            seen == view_label,
            key="true_label",
            title="true label seen by the judge",
            definition="Share of views that the judge gives the true class (or the class that the augmenter "
            "says the view has). Cannot be more than the judge itself is able to tell.",
            **told,
        ),
    ]


def by_class(
    judge: Seen, viewed: Viewed, classes: Sequence[str], harm: Sequence[float | None]
) -> list[dict[str, Any]]:
    """For each of the classes, called so: views that the judge gives the class it gave the image, and what
    training with the augmenter did to the class's accuracy (`harm`, [K])."""
    same, label = judge.after.argmax(1) == judge.before.argmax(1), viewed.label.cpu()
    rows = []
    for number, name in enumerate(classes):
        mine = same[label == number]
        n, hits = len(mine), int(mine.sum())
        low, high = wilson(hits, n) if n else (None, None)
        rows.append(
            {
                "class": number,
                "name": name,
                "n": n,
                "preserved": hits / n if n else None,
                "low": low,
                "high": high,
                "accuracy_change": harm[number],
            }
        )
    return rows


# ------------------------------------------------------------------------------------------------- strength
def margins(attacked: Seen, viewed: Viewed, margin: float, whose: str) -> list[CardMeasure]:
    """How far the attacked network's belief in the label falls. `whose`: where the margin comes from."""
    label, view_label = viewed.label.cpu(), viewed.view_label.cpu()
    drop = attacked.drop(label, view_label)
    told: dict[str, Any] = {"group": "margin"}
    return [
        proportion(
            drop > margin,
            key="margin_violations",
            title=f"margin {margin:g} broken",
            definition="Share of views whose log-probability of the true label, by the attacked network, is "
            f"more than {margin:g} below that of the image ({whose}).",
            **told,
        ),
        mean(
            drop,
            key="logp_drop",
            title="fall of the label's log-probability",
            unit="nats",
            definition="log p(label | x) − log p(label | x') by the attacked network, true labels. Negative "
            "where the view is easier than the image.",
            **told,
        ),
    ]


def confidence(attacked: Seen, judge: Seen, viewed: Viewed) -> list[CardMeasure]:
    """How far the label's probability falls, in two pairs of eyes."""
    label, view_label = viewed.label.cpu(), viewed.view_label.cpu()
    return [
        mean(
            seen.confidence_drop(label, view_label),
            group="margin",
            key=f"confidence_drop_{who}",
            title=f"fall of the label's probability, {name}",
            unit="probability",
            definition=f"p(label | x) − p(label | x') by {name}, true labels.",
        )
        for who, name, seen in (
            ("attacked", "the attacked network", attacked),
            ("judge", "the judge", judge),
        )
    ]


def distances(attacked: Seen, judge: Seen, viewed: Viewed, layers: Mapping[str, int]) -> list[CardMeasure]:
    """How far views are from their images."""
    gap = (viewed.view - viewed.x).float().flatten(1).cpu()
    told: dict[str, Any] = {"group": "distance"}
    found = [
        mean(
            seen.distance,
            key=f"perceptual_{who}",
            title=f"perceptual distance, {name}",
            unit="φ",
            definition=f"‖φ(x') − φ(x)‖₂ on the features of {name}: the paper's equation 3, an LPIPS "
            f"without learned weights; at most {2 * layers[who] ** 0.5:.2f}.",
            **told,
        )
        for who, name, seen in (
            ("judge", "the judge", judge),
            ("attacked", "the attacked network", attacked),
        )
    ]
    norms = ((2.0, "l2", "L2"), (torch.inf, "linf", "L∞"))
    return found + [
        mean(
            torch.linalg.vector_norm(gap, order, dim=1),
            key=f"pixel_{key}",
            title=f"pixel distance, {name}",
            unit="image units",
            definition=f"{name} norm of x' − x over all pixels and channels, images in [0, 1].",
            **told,
        )
        for order, key, name in norms
    ]


# ----------------------------------------------------------------------------------------------------- cost
def costs(viewed: Viewed, augmented: Cost, clean: Cost) -> list[CardMeasure]:
    """What a view costs, and what training with the augmenter does. The last two: `cost` of the records."""
    n = len(viewed.x)
    told: dict[str, Any] = {"group": "cost", "n": n}
    return [
        exactly(
            viewed.forward,
            key="forward",
            title="forward passes for an image",
            unit="passes",
            definition="Counted passes through the network while its view was made.",
            **told,
        ),
        exactly(
            viewed.backward,
            key="backward",
            title="passes back to the image",
            unit="passes",
            definition="Counted backward passes to the image, each the work of one forward pass.",
            **told,
        ),
        exactly(
            viewed.seconds,
            key="seconds",
            title="seconds for an image",
            unit="seconds",
            definition="Wall clock, with the engine's checks around the augmenter. The one number here that "
            "another measurement would not repeat.",
            **told,
        ),
        exactly(
            augmented.forward_equivalents / clean.forward_equivalents,
            key="training_cost",
            title="cost of training, times that without",
            unit="ratio",
            definition="Counted forward equivalents of the run with the augmenter over those of the run "
            "without it; a backward pass to the weights counts as two.",
            **told,
        ),
    ]
