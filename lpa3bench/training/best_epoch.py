"""`best.pt`: what the epoch that was selected on the validation split had learned, and how it predicted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lpa3bench.api import Task
from lpa3bench.errors import DamagedWarning, DataError
from lpa3bench.records.schema import RunIdentity
from lpa3bench.runtime.state import load_state, save_state
from lpa3bench.training.environment import Environment
from lpa3bench.training.predictions import Predictions
from lpa3bench.training.saved_forms import check_best, strange, whose


def save_best(
    path: Path,
    env: Environment,
    task: Task,
    epoch: int,
    predicted: Mapping[str, Predictions],
    *,
    identity: RunIdentity,
    seed: int,
) -> None:
    """Weights, the task's state, which holds an average where it predicts by one, and the probabilities for
    each split; all or nothing, so that they are always of one epoch, and of the run of this identity and
    seed."""
    state = {
        "epoch": epoch,
        "models": {name: model.state_dict() for name, model in env.models.items()},
        "task": task.state_dict(),
        "probs": {split: its.probs for split, its in predicted.items()},
        **whose(identity, seed),
    }
    save_state(path, state)


def load_best(path: Path, identity: RunIdentity, seed: int) -> dict[str, Any]:
    """What `save_best` wrote for the run of this identity and seed.

    Raises:
        DataError: it is gone or damaged, or of another run.
    """
    try:
        state = load_state(path)
    except FileNotFoundError as error:
        raise DataError("is gone", path=path) from error
    check_best(path, state)
    if other := strange(state, identity, seed):
        raise DataError(f"is of another run ({other})", path=path)
    return state


def selected_predictions(
    path: Path, epoch: int | None, last: Mapping[str, Predictions], *, identity: RunIdentity, seed: int
) -> dict[str, Predictions]:
    """How the selected epoch predicted each split; empty where none was selected or the file does not say.

    A record can be made without it: a `DamagedWarning` says where the file cannot be believed.

    Args:
        path: of `best.pt`.
        epoch: the one that the curve selects; None: none.
        last: how the last epoch predicted, with the labels.
    """
    if epoch is None:
        return {}
    try:
        best = load_best(path, identity, seed)
        # On a GPU an epoch that is trained again may come out otherwise, and the file be of another one.
        kept: dict[str, Any] = best.get("probs", {}) if best["epoch"] == epoch else {}
        if not all(split in last and _alike(probs, last[split].probs) for split, probs in kept.items()):
            raise DataError("damaged (its predictions are of other images)", path=path)
    except DataError as error:
        told = f"{error}; predictions.npz says nothing of the selected epoch"
        warnings.warn(told, DamagedWarning, stacklevel=2)
        return {}
    return {split: Predictions(probs, last[split].labels) for split, probs in kept.items()}


def _alike(probs: Any, other: Tensor) -> bool:
    return isinstance(probs, Tensor) and (probs.shape, probs.dtype) == (other.shape, other.dtype)
