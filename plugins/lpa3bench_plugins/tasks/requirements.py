"""What several tasks ask of the parameters of SGD and of the labels, in one line each."""

from __future__ import annotations

from lpa3bench.api import DatasetSpec, Env, Labels
from lpa3bench.errors import ConfigError
from lpa3bench_plugins.parameters import below_one, not_negative, positive


def check_sgd(*, batch_size: int, lr: float, momentum: float, weight_decay: float) -> None:
    """Raises ValueError for what no descent by batches can do with."""
    if not batch_size >= 2:
        raise ValueError(f"batch_size: must be >= 2 (BatchNorm needs two images), not {batch_size}")
    positive(lr=lr)
    below_one(momentum=momentum)
    not_negative(weight_decay=weight_decay)


def _needs_all(task: object) -> str:
    return f"{type(task).__name__} needs a label, right or wrong, on every training image"


def refuse_partial(task: object, spec: DatasetSpec, labels: Labels) -> str | None:
    """Why a task that trains on every given label cannot use these; None where it can."""
    return _needs_all(task) if labels.partial or spec.unlabelled else None


def check_all_labelled(task: object, env: Env) -> None:
    """Raises ConfigError where some image has no label after all (those of a file may have gaps)."""
    if not bool(env.labels.labelled.all()):
        raise ConfigError(_needs_all(task))
