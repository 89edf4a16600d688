"""The shipped MedMNIST files hold MedMNIST v2's protocol and our choices for what Table 3 leaves open."""

from __future__ import annotations

import pytest
from support import shipped_configs
from support.shipped_configs import value

from lpa3bench.config import Config

# Training images, in batches of 128; of the Organ sets as they are since medmnist 2.2.4.
STEPS = {
    "PathMNIST": 704, "DermaMNIST": 55, "OCTMNIST": 762, "BloodMNIST": 94, "TissueMNIST": 1293,
    "OrganAMNIST": 271, "OrganCMNIST": 102, "OrganSMNIST": 109, "BreastMNIST": 5, "RetinaMNIST": 9,
}  # fmt: skip
PROTOCOL = {
    "run.epochs": "100",
    "run.select": "'macro_auc'",
    "run.weak": "None",
    "Supervised.batch_size": "128",
    "Supervised.optimizer": "'adam'",
    "Supervised.lr": "0.001",
    "Supervised.milestones": "(0.5, 0.75)",
    "Supervised.gamma": "0.1",
    "Supervised.weight_decay": "0.0",
}
CHOICES = {
    "label": "'given'", "margin": "0.02", "iterations": "5", "lam": "1.0", "ratio": "0.5",
    "select": "'batch'", "domain": "'aux'",
}  # fmt: skip
STEMS = {
    "resnet18": ("ResNet18", "'cifar28'", "None", 28),
    "resnet50": ("ResNet50", "'cifar28'", "None", 28),
    "resnet18_224": ("ResNet18", "'imagenet224'", "224", 224),
    "resnet50_224": ("ResNet50", "'imagenet224'", "224", 224),
}


def loaded(*names: str, setting: str = "resnet18") -> Config:
    return shipped_configs.loaded(*names, setting=setting)


@pytest.mark.parametrize("name", STEPS)
def test_the_protocol(name: str) -> None:
    config = loaded(f"{name.lower()}_supervised", "augmenters/lpa3")
    expected = {
        **PROTOCOL,
        f"{name}.as_rgb": "True",
        f"{name}.mean": "(0.5, 0.5, 0.5)",
        f"{name}.std": "(0.5, 0.5, 0.5)",
        **{f"positives/LPA3.{key}": text for key, text in CHOICES.items()},
        "positives/LPA3.warmup_steps": str(5 * STEPS[name]),
    }
    assert {key: value(config, key) for key in expected} == expected
    experiment = config.experiment()
    assert not experiment.spec.weak.flip
    assert -(-(experiment.dataset.train_images or 0) // 128) == STEPS[name]


@pytest.mark.parametrize("setting", STEMS)
def test_the_stems(setting: str) -> None:
    config = loaded("pathmnist_supervised", setting=setting)
    backbone, stem, resize, side = STEMS[setting]
    assert value(config, "run.backbone") == f"@backbones.{backbone}"
    assert value(config, f"{backbone}.stem") == stem
    assert value(config, "run.resize") == resize
    assert config.experiment().spec.size == side


def test_randaugment_is_the_authors_own() -> None:
    config = loaded("octmnist_supervised", "augmenters/randaugment")
    assert value(config, "view/RandAugment.recipe") == "'fixmatch'"
    assert value(config, "view/RandAugment.cutout") == "16"
