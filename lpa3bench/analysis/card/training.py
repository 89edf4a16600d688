"""The measures of a card that are taken of training: affinity, diversity and harm, as pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lpa3bench.analysis.card.card_measures import CardMeasure, exactly, mean, proportion, ratio
from lpa3bench.analysis.card.judge import Seen
from lpa3bench.analysis.card.views import Viewed


def affinity(clean: Seen, viewed: Viewed) -> list[CardMeasure]:
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


def diversity(augmented: Tensor, clean: Tensor) -> list[CardMeasure]:
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


def harm(
    augmented: Tensor, clean: Tensor, labels: Tensor, classes: Sequence[str]
) -> tuple[list[CardMeasure], list[Any]]:
    """What training with the augmenter did to the accuracy of each class.

    Args:
        augmented, clean: bool [N], right or not, of the same held-out images.
        labels: int64 [N].
        classes: what they are called.

    Returns:
        The measures, and the change of each class (None where it has no image).
    """
    change = augmented.double() - clean.double()
    counts = torch.bincount(labels, minlength=len(classes))
    sums = torch.bincount(labels, weights=change, minlength=len(classes))
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
            title=f"worst class ({classes[number]})",
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
