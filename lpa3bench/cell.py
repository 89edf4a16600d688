"""A cell: task × data set × labels × backbone × slots. Whether it makes sense, and what it is called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lpa3bench.api import SLOTS, Task
from lpa3bench.errors import ConfigError
from lpa3bench.experiment import Experiment
from lpa3bench.registry import Entry


def refuse_nonsense(experiment: Experiment) -> None:
    """Ask every plugin whether the combination makes sense.

    Raises:
        ConfigError: one of them says why it does not.
    """
    task: Task = experiment.task
    spec = experiment.dataset.spec
    reasons = []
    if experiment.labels is not None and (why := task.unsupported(spec, experiment.labels)) is not None:
        reasons.append(f"run.task: {why}")
    bound = experiment.slots()
    for slot in SLOTS:
        if slot not in bound:
            continue
        augmenter, name = bound[slot], type(bound[slot]).__name__
        if slot not in task.slots:
            has = ", ".join(task.slots) or "none"
            reasons.append(f"run.{slot}: {type(task).__name__} has no such slot; it has {has}")
        elif slot == "view" and augmenter.bn_domain == "aux":
            # The main BatchNorm, which `predict` uses, would never be trained.
            reasons.append(f"run.view: {name} works in the auxiliary BatchNorm; bind it to run.positives")
        elif (why := augmenter.unsupported(spec, slot)) is not None:
            reasons.append(f"run.{slot}: {name}: {why}")
    if reasons:
        raise ConfigError("; ".join(reasons))


def cell_name(experiment: Experiment) -> str:
    """What a person calls the cell: data set, task, setting or labels, slots; lower case, joined by "-"."""
    parts = [experiment.dataset.spec.name, type(experiment.task).__name__]
    if experiment.setting:
        parts.append(experiment.setting)
    elif (labels := _labels(experiment)) != "Clean":
        parts.append(labels)
    for slot, augmenter in experiment.slots().items():
        name = type(augmenter).__name__
        parts.append(name if slot == "positives" else f"{slot}.{name}")
    return "-".join(parts).lower()


def _labels(experiment: Experiment) -> str:
    return type(experiment.labels).__name__ if experiment.labels else "Clean"


def describe(experiment: Experiment, plugins: Iterable[Entry], identity: str) -> dict[str, Any]:
    """The cell, for the record; `identity` is the short hash of what defines the run."""
    backbones = [entry.name for entry in plugins if entry.kind == "backbones"]
    return {
        "name": cell_name(experiment),
        "task": type(experiment.task).__name__,
        "dataset": experiment.dataset.spec.name,
        "labels": _labels(experiment),
        "backbone": backbones[0] if backbones else "?",
        "slots": {slot: type(augmenter).__name__ for slot, augmenter in experiment.slots().items()},
        "setting": experiment.setting,
        "epochs": experiment.epochs,
        "identity": identity,
    }
