"""Scores a task on a split it was not trained on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lpa3bench.api import Task
from lpa3bench.data.training import Scored
from lpa3bench.environment import Environment

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
    """Predict every image of the split in eval mode, through the main BatchNorm."""
    index = torch.arange(len(split.images), device=env.device)
    with env.evaluating(), env.passes.at("evaluation"):
        parts = torch.split(index, BATCH)
        probs = torch.cat([task.predict(split.images.plain(part)) for part in parts])
    correct = probs.argmax(1) == split.labels
    return Scores(float(correct.double().mean()), probs.float().cpu(), correct.cpu())


def per_class(correct: Tensor, labels: Tensor, num_classes: int) -> list[float | None]:
    """Accuracy of each class, in [0, 1]; None for a class without images."""
    counts = torch.bincount(labels, minlength=num_classes)
    right = torch.bincount(labels[correct], minlength=num_classes)
    return [r / n if n else None for r, n in zip(right.tolist(), counts.tolist(), strict=True)]
