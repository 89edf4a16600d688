"""What tasks ask of their parameters and of the labels, each with the one line that says what is wrong."""

from __future__ import annotations

from lpa3bench.api import DatasetSpec, Env, Labels
from lpa3bench.errors import ConfigError


def positive(**values: float) -> None:
    """Raises ValueError for the first parameter that is not above 0."""
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{name}: must be > 0, not {value}")


def not_negative(**values: float) -> None:
    """Raises ValueError for the first parameter below 0."""
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{name}: must be >= 0, not {value}")


def at_least(least: int, **values: int) -> None:
    """Raises ValueError for the first parameter below `least`."""
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name}: must be >= {least}, not {value}")


def below_one(**values: float) -> None:
    """Raises ValueError for the first parameter outside [0, 1)."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}: must be in [0, 1), not {value}")


def fraction(**values: float) -> None:
    """Raises ValueError for the first parameter outside [0, 1]."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: must be in [0, 1], not {value}")


def check_sgd(*, batch_size: int, lr: float, momentum: float, weight_decay: float) -> None:
    """Raises ValueError for what no descent by batches can do with."""
    if batch_size < 2:
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
