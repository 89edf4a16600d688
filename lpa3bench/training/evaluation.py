"""Scores a task on a split it was not trained on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lpa3bench.api import Task
from lpa3bench.data.training_data import Scored
from lpa3bench.training.environment import Environment

BATCH = 500


class Scores(NamedTuple):
    """How a split was predicted."""

    accuracy: float
    """Share of images predicted right, in [0, 1]."""
    probs: Tensor
    """float32 [N, K] on the CPU."""
    correct: Tensor
    """bool [N] on the CPU."""


def evaluate(task: Task, env: Environment, split: Scored) -> Scores:
    """Predict every image of the split in eval mode, through the main BatchNorm; each process its share."""
    index = torch.arange(len(split.images), device=env.device)
    with env.evaluating(), env.passes.at("evaluation"):
        parts = torch.split(index, BATCH)
        own = parts[env.processes.own(len(parts))]
        none = torch.zeros(0, env.spec.num_classes, device=env.device)
        predicted = [none, *(task.predict(split.images.plain(part)) for part in own)]
        probs = env.gather(torch.cat(predicted).float())
    correct = probs.argmax(1) == split.labels
    return Scores(float(correct.double().mean()), probs.cpu(), correct.cpu())


def macro_auc(probs: Tensor, labels: Tensor) -> float | None:
    """Area under the ROC curve of each class against the rest, averaged over the classes (MedMNIST's AUC).

    Args:
        probs: [N, K].
        labels: int64 [N].

    Returns:
        In [0, 1]; None where it is undefined, because a class has no image or every image, or a probability
        is not finite.
    """
    from sklearn.metrics import roc_auc_score  # a second to import, and most runs never ask

    counts = torch.bincount(labels, minlength=probs.shape[1])
    if bool((counts == 0).any()) or int(counts.max()) == len(labels) or not bool(probs.isfinite().all()):
        return None
    columns = enumerate(probs.unbind(1))
    areas = [float(roc_auc_score((labels == label).numpy(), scores.numpy())) for label, scores in columns]
    return sum(areas) / len(areas)


def per_class(correct: Tensor, labels: Tensor, num_classes: int) -> list[float | None]:
    """Accuracy of each class, in [0, 1]; None for a class without images."""
    counts = torch.bincount(labels, minlength=num_classes)
    right = torch.bincount(labels[correct], minlength=num_classes)
    return [r / n if n else None for r, n in zip(right.tolist(), counts.tolist(), strict=True)]
