"""How a task predicts a split it was not trained on."""

from __future__ import annotations

import torch

from lpa3bench.api import DatasetSpec, Task
from lpa3bench.records.schema import PerClass
from lpa3bench.training.environment import Environment
from lpa3bench.training.predictions import Predictions
from lpa3bench.training.training_data import Scored

BATCH = 500


def evaluate(task: Task, env: Environment, split: Scored) -> Predictions:
    """Predict every image of the split in eval mode, through the main BatchNorm; each process its share."""
    index = torch.arange(len(split.images), device=env.device)
    with env.evaluating(), env.passes.at("evaluation"):
        parts = torch.split(index, BATCH)
        own = parts[env.processes.own(len(parts))]
        none = torch.zeros(0, env.spec.num_classes, device=env.device)
        predicted = [none, *(task.predict(split.images.plain(part)) for part in own)]
        probs = env.gather(torch.cat(predicted).float())
    return Predictions(probs.cpu(), split.labels.cpu())


def per_class(test: Predictions, spec: DatasetSpec) -> PerClass:
    """The share of each class's images that were predicted right; None for a class without images."""
    counts = torch.bincount(test.labels, minlength=spec.num_classes).tolist()
    right = torch.bincount(test.labels[test.correct], minlength=spec.num_classes).tolist()
    return PerClass(
        names=spec.class_names,
        shares=tuple(r / n if n else None for r, n in zip(right, counts, strict=True)),
        images=tuple(counts),
    )
