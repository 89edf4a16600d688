"""The shipped FixMatch files hold what was published."""

from __future__ import annotations

import re
from functools import cache

import pytest

from lpa3bench.config import Config, load_config
from lpa3bench.plugin import registry
from lpa3bench.runtime.paths import gin_root, resolve_config

SETTINGS = {
    "cifar10_fixmatch": ("labels40", "labels250", "labels4000"),
    "cifar100_fixmatch": ("labels400", "labels2500", "labels10000"),
    "stl10_fixmatch": ("stl10_paper", "stl10_code"),
}
CELLS = [(name, setting) for name, settings in SETTINGS.items() for setting in settings]
SHORT = {"digits_fixmatch": "labels40", "fashion_fixmatch": "labels100"}

PUBLISHED = {
    "run.epochs": "256",
    "run.backbone": "@backbones.WideResNet",
    "run.strong": "@strong/augmenters.RandAugment()",
    "FixMatch.batch_size": "64",
    "FixMatch.mu": "7",
    "FixMatch.steps_per_epoch": "1024",
    "FixMatch.lr": "0.03",
    "FixMatch.momentum": "0.9",
    "FixMatch.warmup_steps": "0",
    "FixMatch.temperature": "1.0",
    "FixMatch.threshold": "0.95",
    "FixMatch.lambda_u": "1.0",
    "FixMatch.positives_threshold": "0.9",
    "FixMatch.positives_weight": "1.0",
    "FixMatch.ema_decay": "0.999",
    "FixMatch.bn_chunks": "1",
    "strong/RandAugment.recipe": "'fixmatch'",
    "strong/RandAugment.n": "2",
    "strong/RandAugment.cutout": "16",
    "strong/RandAugment.domain": "'main'",
    "WeakView.flip": "True",
    "WeakView.mode": "'reflect'",
    "WideResNet.widen": "2",
    "WideResNet.tf_preact": "False",
    "WideResNet.bn_momentum": "0.001",
    "positives/LPA3.ratio": "0.9",
    "positives/LPA3.select": "'dataset'",
    "positives/LPA3.tcs": "'lpa3'",
    "positives/LPA3.iterations": "5",
    "positives/LPA3.lam": "1.0",
    "positives/LPA3.step_size": "None",
    "positives/LPA3.start": "0.01",
    "positives/LPA3.probe": "0.1",
    "positives/LPA3.floor": "0.0001",
    "positives/LPA3.label": "'model'",
    "positives/LPA3.temperature": "1.0",
    "positives/LPA3.warmup_steps": "6144",
    "positives/LPA3.domain": "'aux'",
}
OWN = {
    "cifar10_fixmatch": {
        "CIFAR10.mean": "(0.4914, 0.4822, 0.4465)",
        "CIFAR10.std": "(0.2023, 0.1994, 0.201)",
        "FixMatch.weight_decay": "0.0005",
        "FixMatch.labelled_too": "True",
        "WeakView.pad": "4",
        "WeakView.crop": "None",
        "WideResNet.depth": "28",
        "WideResNet.groups": "3",
        "positives/LPA3.margin": "0.002",
    },
    "cifar100_fixmatch": {
        "CIFAR100.mean": "(0.5071, 0.4867, 0.4408)",
        "CIFAR100.std": "(0.2675, 0.2565, 0.2761)",
        "FixMatch.weight_decay": "0.001",
        "FixMatch.labelled_too": "True",
        "WeakView.pad": "4",
        "WeakView.crop": "None",
        "WideResNet.depth": "28",
        "WideResNet.widen": "8",
        "WideResNet.groups": "3",
        "positives/LPA3.margin": "0.02",
    },
    "stl10_fixmatch": {
        "STL10.mean": "(0.4408, 0.4279, 0.3867)",
        "STL10.std": "(0.2682, 0.261, 0.2686)",
        "FixMatch.weight_decay": "0.0005",
        "WideResNet.depth": "37",
        "WideResNet.groups": "4",
        "positives/LPA3.margin": "0.002",
    },
}
STL10 = {
    "stl10_paper": {
        "run.labels": "@labels.STL10Fold()",
        "STL10Fold.fold": "None",
        "FixMatch.labelled_too": "True",
        "WeakView.pad": "12",
        "WeakView.crop": "None",
    },
    "stl10_code": {
        "run.labels": "@labels.Clean()",
        "FixMatch.labelled_too": "False",
        "WeakView.pad": "6",
        "WeakView.crop": "48",
    },
}


@cache
def attacked(name: str, setting: str) -> Config:
    files = [resolve_config(file) for file in (name, "augmenters/lpa3")]
    return load_config(files, setting=setting, registry=registry.load_registry())


@pytest.mark.parametrize(("name", "setting"), CELLS)
def test_what_was_published_is_bound(name: str, setting: str) -> None:
    config = attacked(name, setting)
    found = {value.name: value.text for value in config.values}
    expected = PUBLISHED | OWN[name] | STL10.get(setting, {})
    assert {parameter: found[parameter] for parameter in expected} == expected
    assert config.slots == {"strong": "RandAugment", "positives": "LPA3"}
    if name != "stl10_fixmatch":
        assert found["run.labels"] == "@labels.FewLabels()"
        assert found["FewLabels.count"] == setting.removeprefix("labels")


@pytest.mark.parametrize(("name", "setting"), CELLS)
def test_nothing_that_was_published_is_left_to_a_default(name: str, setting: str) -> None:
    """A default may change; what was published does not."""
    free = {"run.view", "run.holdout", "run.precision", "run.resize", "run.score_every", "run.select"}
    free |= {"run.layout", "WeakView.crop", "FewLabels.per_class", "CIFAR10.train", "CIFAR10.val"}
    unused = {"strong/RandAugment.magnitude"}  # this recipe draws its own
    values = attacked(name, setting).values
    defaults = {value.name for value in values if value.origin == "default" and not value.scoring}
    assert defaults <= free | unused


@pytest.mark.parametrize("name", SETTINGS)
def test_the_first_setting_is_the_default(name: str) -> None:
    config = load_config([resolve_config(name)], registry=registry.load_registry())
    assert (config.settings, config.setting) == (SETTINGS[name], SETTINGS[name][0])


@pytest.mark.parametrize("name", SHORT)
def test_the_control_of_equal_cost_differs_in_nothing_but_its_length(name: str) -> None:
    plain, longer = (
        {
            v.name: v.text
            for v in load_config([resolve_config(name)], setting=s, registry=registry.load_registry()).values
        }
        for s in (SHORT[name], "equal_cost")
    )
    different = {key for key in plain.keys() | longer.keys() if plain.get(key) != longer.get(key)}
    assert different == {"run.epochs", "run.setting", "run.settings"}
    assert int(longer["run.epochs"]) > int(plain["run.epochs"])


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        (
            "cifar10_fixmatch",
            {
                "FixMatch": "89.51 ± 3.14   93.81 ± 0.29   94.66 ± 0.13",
                "FixMatch + LP-A3": "92.39 ± 1.21   94.03 ± 0.31   95.11 ± 0.17",
            },
        ),
        (
            "cifar100_fixmatch",
            {
                "FixMatch": "49.30 ± 2.45   67.21 ± 0.94   74.31 ± 0.35",
                "FixMatch + LP-A3": "56.16 ± 1.82   72.23 ± 0.57   77.11 ± 0.16",
            },
        ),
        ("stl10_fixmatch", {"FixMatch": "91.59 ± 0.16", "FixMatch + LP-A3": "92.63 ± 0.14"}),
    ],
)
def test_the_published_scores_in_the_heads(name: str, rows: dict[str, str]) -> None:
    text = (gin_root() / f"{name}.gin").read_text()
    for method, scores in rows.items():
        assert re.search(rf"^#   {re.escape(method)} +{re.escape(scores)}$", text, re.MULTILINE)
