"""A cell: task × data set × labels × backbone × slots. Whether it makes sense, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lpa3bench.config.bindings import RUN
from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import ConfigError, blamed
from lpa3bench.types import SLOTS

if TYPE_CHECKING:
    from lpa3bench.api import Task
    from lpa3bench.config import Config


def refuse_nonsense(experiment: Experiment) -> None:
    """Ask every plugin whether the combination makes sense.

    Raises:
        ConfigError: one of them says why it does not; the message opens with the parameter of `run`.
    """
    task: Task = experiment.task
    reasons = []
    if experiment.labels is not None:
        with blamed(f"{type(task).__name__}.unsupported"):
            refusal = task.unsupported(experiment.spec, experiment.labels)
        if refusal:
            reasons.append(f"run.task: {refusal}")
    for slot, augmenter in experiment.slots().items():
        name = type(augmenter).__name__
        if slot not in task.slots:
            has = ", ".join(task.slots) or "none"
            reasons.append(f"run.{slot}: {type(task).__name__} has no such slot; it has {has}")
        elif augmenter.bn_domain == "aux" and not SLOTS[slot].auxiliary:
            others = " or ".join(f"run.{other}" for other in task.slots if SLOTS[other].auxiliary)
            what = f"works in the auxiliary BatchNorm; bind it to {others or 'a slot of another task'}"
            reasons.append(f"run.{slot}: {name} {what}")
        elif augmenter.soft_targets and slot not in task.soft_slots:
            what = f"makes targets of its own, which {type(task).__name__} cannot use in slot {slot}"
            reasons.append(f"run.{slot}: {name} {what}")
        elif augmenter.twins and slot not in task.twin_slots:
            takes = f"and {type(task).__name__} takes one in slot {slot}"
            reasons.append(f"run.{slot}: {name} makes two views of an image to be compared, {takes}")
        else:
            with blamed(f"{name}.unsupported"):
                refusal = augmenter.unsupported(experiment.spec, SLOTS[slot])
            if refusal is not None:
                reasons.append(f"run.{slot}: {name}: {refusal}")
    if reasons:
        raise ConfigError("; ".join(reasons))


def cell_name(names: Mapping[str, str], setting: str | None, *, other_backbone: bool = False) -> str:
    """What a person calls the cell: data set, task, setting or labels, slots; lower case, joined by "-".

    Args:
        names: of the plugins, by parameter of `run`: `{"task": "PES", "dataset": "CIFAR100", …}`.
        setting: the chosen one; it stands for the labels.
        other_backbone: whether it is not the one that its config has, and so is named too.
    """
    parts = [names["dataset"], names["task"]]
    labels = setting or names.get("labels", "Clean")
    if labels != "Clean":
        parts.append(labels)
    parts += [
        names[name] if slot.adds_loss else f"{name}.{names[name]}"
        for name, slot in SLOTS.items()
        if name in names
    ]
    parts += [names["backbone"]] if other_backbone else []
    # It becomes the name of a folder, and a plugin may be called anything.
    return "-".join(re.sub(r"[^a-z0-9.]+", "_", part.lower()).strip("._") for part in parts)


def name_of_cell(config: Config) -> str:
    """What the cell of a config is called: with the backbone, where an overlay or `-p` exchanged it."""
    other = any(change.name == f"{RUN}.backbone" for change in config.changed)
    return cell_name(config.names, config.setting, other_backbone=other)


def describe_cell(experiment: Experiment, names: Mapping[str, str], name: str) -> dict[str, Any]:
    """The cell, for the record: the fields of `CellOfRun` but `identity`. `name`: as of `cell_name`."""
    return {
        "name": name,
        "task": names["task"],
        "dataset": names["dataset"],
        "labels": names.get("labels", "Clean"),
        "backbone": names["backbone"],
        "slots": {slot: names[slot] for slot in SLOTS if slot in names},
        "setting": experiment.setting,
        "epochs": experiment.epochs,
    }
