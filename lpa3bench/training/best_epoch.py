"""`best.pt`: what the epoch that was selected on the validation split had learned, and how it predicted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lpa3bench.api import Task
from lpa3bench.runtime.files import write_atomically
from lpa3bench.training.environment import Environment
from lpa3bench.training.predictions import Predictions


def save_best(
    path: Path, env: Environment, task: Task, epoch: int, predicted: Mapping[str, Predictions]
) -> None:
    """Weights, the task's state, which holds an average where it predicts by one, and the probabilities for
    each split; all or nothing, so that they are always of one epoch."""
    state = {
        "epoch": epoch,
        "models": {name: model.state_dict() for name, model in env.models.items()},
        "task": task.state_dict(),
        "probs": {split: its.probs for split, its in predicted.items()},
    }
    write_atomically(path, lambda temporary: torch.save(state, temporary))


def selected_predictions(
    path: Path, epoch: int | None, last: Mapping[str, Predictions]
) -> dict[str, Predictions]:
    """How the selected epoch predicted each split; empty where none was selected or the file does not say.

    Args:
        path: of `best.pt`.
        epoch: the one that the curve selects; None: none.
        last: how the last epoch predicted, with the labels.
    """
    if epoch is None:
        return {}
    try:
        best = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a torn file fails in many ways; a record can be made without it
        return {}
    # On a GPU an epoch that is trained again may come out otherwise, and the file be of another one.
    kept: dict[str, Tensor] = best.get("probs", {}) if best["epoch"] == epoch else {}
    return {split: Predictions(probs, last[split].labels) for split, probs in kept.items()}
