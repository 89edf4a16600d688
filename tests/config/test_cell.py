"""Whether a combination makes sense, and what it is called."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support import config_plugins
from torch import Tensor

from lpa3bench.api import Augmenter, Context, DatasetSpec, LabelContext, Labels, LabelSet, Slot, View
from lpa3bench.config import load_config
from lpa3bench.config.cell import cell_name, describe_cell, name_of_cell, refuse_nonsense
from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import ConfigError, PluginError
from lpa3bench.plugin.registry import Entry, Registry
from lpa3bench.testing import Bystander, TinyNet, TinySet


class Still(Augmenter):
    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(x, torch.arange(len(x)))


class Picky(Still):
    def unsupported(self, spec: DatasetSpec, slot: Slot) -> str | None:
        return f"{spec.name} is too small for slot {slot}"


class Auxiliary(Still):
    bn_domain = "aux"


class Mixing(Still):
    soft_targets = True


class Paired(Still):
    twins = True


class Odd(Labels):
    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        return LabelSet(clean, torch.ones_like(clean, dtype=torch.bool), {})


class OnlyView(Bystander):
    slots = ("view",)


class Choosy(Bystander):
    slots = ("view", "positives")
    soft_slots = ("view",)
    twin_slots = ("view",)

    def unsupported(self, spec: DatasetSpec, labels: Labels) -> str | None:
        return f"needs other labels than {type(labels).__name__} on {spec.name}"


def experiment(**changed: Any) -> Experiment:
    return replace(Experiment(task=Bystander(), dataset=TinySet(), backbone=TinyNet, epochs=7), **changed)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"labels": Odd()},
        {"view": Still(), "strong": Auxiliary(), "positives": Auxiliary()},
        {"task": Choosy()},  # without labels there is nothing to object to
        {"task": Choosy(), "view": Mixing()},
        {"task": Choosy(), "view": Paired()},
    ],
)
def test_what_makes_sense_passes(changed: dict[str, Any]) -> None:
    refuse_nonsense(experiment(**changed))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"task": Choosy(), "positives": Paired()},
            "^run.positives: Paired makes two views of an image .*, and Choosy takes one in slot positives$",
        ),
        ({"task": Choosy(), "labels": Odd()}, "^run.task: needs other labels than Odd on Tiny$"),
        (
            {"task": Choosy(), "strong": Still()},
            "^run.strong: Choosy has no such slot; it has view, positives$",
        ),
        (
            {"task": Choosy(), "view": Auxiliary()},
            "^run.view: Auxiliary works in the auxiliary BatchNorm; bind it to run.positives$",
        ),
        (
            {"task": OnlyView(), "view": Auxiliary()},
            "^run.view: Auxiliary works in the auxiliary BatchNorm; bind it to a slot of another task$",
        ),
        (
            {"task": Choosy(), "positives": Mixing()},
            "^run.positives: Mixing makes targets of its own, which Choosy cannot use in slot positives$",
        ),
        ({"positives": Picky()}, "^run.positives: Picky: Tiny is too small for slot positives$"),
        (
            {"task": Choosy(), "labels": Odd(), "view": Picky(), "strong": Picky()},
            "^run.task: .*; run.view: Picky: .*; run.strong: Choosy has no such slot",
        ),
    ],
)
def test_nonsense_is_refused_with_every_reason(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        refuse_nonsense(experiment(**changed))


NAMES = {"task": "PES", "dataset": "CIFAR100", "backbone": "ResNet18"}


@pytest.mark.parametrize(
    ("names", "setting", "name"),
    [
        ({}, None, "cifar100-pes"),
        ({"labels": "Clean"}, None, "cifar100-pes"),
        ({"labels": "SymmetricNoise"}, None, "cifar100-pes-symmetricnoise"),
        ({"labels": "SymmetricNoise"}, "sym50", "cifar100-pes-sym50"),
        ({"positives": "LPA3"}, None, "cifar100-pes-lpa3"),
        ({"positives": "LPA3", "view": "RandAugment"}, None, "cifar100-pes-view.randaugment-lpa3"),
        ({"strong": "LPA3"}, None, "cifar100-pes-strong.lpa3"),
        ({"positives": "../Mine *"}, None, "cifar100-pes-mine"),
    ],
)
def test_the_name_tells_cells_apart(names: dict[str, str], setting: str | None, name: str) -> None:
    assert cell_name(NAMES | names, setting) == name
    assert cell_name(NAMES | names, setting, other_backbone=True) == f"{name}-resnet18"


def test_a_backbone_that_is_not_the_config_s_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.gin"
    file.write_text(config_plugins.WHOLE)
    other = type("OtherNet", (config_plugins.ToyNet,), {})
    toys = config_plugins.registry()
    registry = Registry((*toys.entries, Entry("backbones", "OtherNet", other, "toys 1.0")), ())
    names = {
        net: name_of_cell(
            load_config([file], bindings=(f"run.backbone = @backbones.{net}",), registry=registry)
        )
        for net in ("ToyNet", "OtherNet")
    }
    name = "toydata-toytask-low-toyattack"
    assert names == {"ToyNet": name, "OtherNet": f"{name}-othernet"}


def test_the_description_is_whole() -> None:
    names = NAMES | {"labels": "SymmetricNoise", "view": "RandAugment"}
    cell = describe_cell(experiment(), names, cell_name(names, None))
    assert json.loads(json.dumps(cell)) == cell == {
        "name": "cifar100-pes-symmetricnoise-view.randaugment",
        "task": "PES",
        "dataset": "CIFAR100",
        "labels": "SymmetricNoise",
        "backbone": "ResNet18",
        "slots": {"view": "RandAugment"},
        "setting": None,
        "epochs": 7,
    }  # fmt: skip


def test_a_plugin_that_fails_when_asked_is_named() -> None:
    class Moody(Bystander):
        def unsupported(self, spec: DatasetSpec, labels: Labels) -> str | None:
            raise RuntimeError("not today")

    class Shy(Augmenter):
        def unsupported(self, spec: DatasetSpec, slot: Slot) -> str | None:
            raise SystemExit(0)

        def generate(self, x: Tensor, ctx: Context) -> View:
            return View(x, torch.arange(len(x)))

    with pytest.raises(PluginError, match=r"^Moody\.unsupported failed \(RuntimeError: not today\)"):
        refuse_nonsense(experiment(task=Moody(), labels=Odd()))
    with pytest.raises(PluginError, match=r"^Shy\.unsupported failed \(SystemExit: 0\)"):
        refuse_nonsense(experiment(view=Shy()))
