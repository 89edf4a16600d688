"""The measures of a card, group by group: pure functions of what networks saw and probes read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lpa3bench.probe.cardmeasures import Measure, exactly, mean, proportion, ratio, spread, wilson
from lpa3bench.probe.cardprobes import Reading, bits
from lpa3bench.probe.cardviews import Viewed
from lpa3bench.probe.judge import Seen

SLIGHT = 0.05
"""Nats that images must tell of a target for the share that views keep to mean anything."""


# --------------------------------------------------------------------------------------------- preservation
def preservation(judge: Seen, viewed: Viewed) -> list[Measure]:
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


def by_class(judge: Seen, viewed: Viewed, classes: int, harm: Sequence[float | None]) -> list[dict[str, Any]]:
    """For each class: views that the judge gives the class it gave the image, and what training with the
    augmenter did to the class's accuracy (`harm`, [K])."""
    same, label = judge.after.argmax(1) == judge.before.argmax(1), viewed.label.cpu()
    rows = []
    for number in range(classes):
        mine = same[label == number]
        n, hits = len(mine), int(mine.sum())
        low, high = wilson(hits, n) if n else (None, None)
        rows.append(
            {
                "class": number,
                "n": n,
                "preserved": hits / n if n else None,
                "low": low,
                "high": high,
                "accuracy_change": harm[number],
            }
        )
    return rows


# ------------------------------------------------------------------------------------------------- strength
def margins(attacked: Seen, viewed: Viewed, margin: float, whose: str) -> list[Measure]:
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


def confidence(attacked: Seen, judge: Seen, viewed: Viewed) -> list[Measure]:
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


def distances(attacked: Seen, judge: Seen, viewed: Viewed, layers: Mapping[str, int]) -> list[Measure]:
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


# ------------------------------------------------------------------------------- affinity, diversity, harm
def affinity(clean: Seen, viewed: Viewed) -> list[Measure]:
    """Gontijo-Lopes et al. (ICLR 2021), definition 1."""
    plain = (clean.before.argmax(1) == viewed.label.cpu()).double()
    seen = (clean.after.argmax(1) == viewed.view_label.cpu()).double()
    told: dict[str, Any] = {"group": "affinity"}
    return [
        ratio(
            seen,
            plain,
            paired=True,
            key="affinity",
            title="affinity",
            definition="Accuracy on views of held-out images over accuracy on the images themselves, of a "
            "network trained without the augmenter (Gontijo-Lopes et al., ICLR 2021, definition 1). 1: the "
            "views look like data.",
            **told,
        ),
        proportion(
            plain.bool(),
            key="accuracy_images",
            title="its accuracy on images",
            definition="Accuracy, on the held-out images, of the network trained without the augmenter.",
            **told,
        ),
        proportion(
            seen.bool(),
            key="accuracy_views",
            title="its accuracy on views",
            definition="Accuracy, on views of them, of the network trained without the augmenter.",
            **told,
        ),
    ]


def diversity(augmented: Tensor, clean: Tensor) -> list[Measure]:
    """Gontijo-Lopes et al. (ICLR 2021), definition 2, relative to training without. Losses [M] and [N]."""
    told: dict[str, Any] = {"group": "affinity"}
    final = "Cross-entropy after the last epoch, in eval mode, of the network trained"
    return [
        ratio(
            augmented,
            clean,
            paired=len(augmented) == len(clean),
            key="diversity",
            title="diversity",
            definition="Final training loss with the augmenter, on its views of the training images, over "
            "the final training loss without it, on the training images; both as the run draws them "
            "(Gontijo-Lopes et al., ICLR 2021, definition 2, divided by that of no augmentation). "
            "1: nothing that is hard to learn was added.",
            **told,
        ),
        mean(
            augmented,
            key="loss_with",
            title="final training loss with the augmenter",
            unit="nats",
            definition=f"{final} with the augmenter, on its views of the training images.",
            **told,
        ),
        mean(
            clean,
            key="loss_without",
            title="final training loss without",
            unit="nats",
            definition=f"{final} without it, on the training images.",
            **told,
        ),
    ]


def harm(augmented: Tensor, clean: Tensor, labels: Tensor, classes: int) -> tuple[list[Measure], list[Any]]:
    """What training with the augmenter did to the accuracy of each class.

    Args:
        augmented, clean: bool [N], right or not, of the same held-out images.
        labels: int64 [N].

    Returns:
        The measures, and the change of each class (None where it has no image).
    """
    change = augmented.double() - clean.double()
    counts = torch.bincount(labels, minlength=classes)
    sums = torch.bincount(labels, weights=change, minlength=classes)
    changes = [s / n if n else None for s, n in zip(sums.tolist(), counts.tolist(), strict=True)]
    known = [(value, number) for number, value in enumerate(changes) if value is not None]
    worst, number = min(known)
    told: dict[str, Any] = {"group": "harm", "unit": "accuracy"}
    return [
        mean(
            change,
            key="accuracy_change",
            title="accuracy gained in training",
            definition="Accuracy on held-out images of the network trained with the augmenter, less that of "
            "the one trained without. One seed of a small budget: no claim.",
            **told,
        ),
        exactly(
            worst,
            n=int(counts[number]),
            key="worst_class",
            title=f"worst class ({number})",
            definition="Least of the same difference over the classes. The least of several noisy numbers "
            "is low even where nothing is harmed.",
            **told,
        ),
        exactly(
            float(sum(value < 0 for value, _ in known)),
            n=len(labels),
            key="classes_harmed",
            title=f"classes that lost, of {len(known)}",
            definition="Classes in which that difference is negative.",
            **(told | {"unit": "classes"}),
        ),
    ], changes


# ----------------------------------------------------------------------------- conditions (a) and (b)
def information(
    plain: Mapping[str, list[Reading]],
    viewed: Mapping[str, list[Reading]],
    *,
    n: int,
    where: str,
    prefix: str,
) -> list[Measure]:
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
) -> list[Measure]:
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


def recognition(judge: Seen) -> list[Measure]:
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


# ----------------------------------------------------------------------------------------------------- cost
def costs(viewed: Viewed, augmented: Mapping[str, Any], clean: Mapping[str, Any]) -> list[Measure]:
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
            augmented["forward_equivalents"] / clean["forward_equivalents"],
            key="training_cost",
            title="cost of training, times that without",
            unit="ratio",
            definition="Counted forward equivalents of the run with the augmenter over those of the run "
            "without it; a backward pass to the weights counts as two.",
            **told,
        ),
    ]
