"""The shipped DivideMix files hold what was published."""

from __future__ import annotations

import re

import pytest
from support.shipped_configs import loaded, value

from lpa3bench.runtime.paths import gin_root

FILES = ("cifar10_dividemix", "cifar100_dividemix")
SETTINGS = ("sym50", "sym80", "sym90")
HUMAN = {"cifar10_dividemix": "worse", "cifar100_dividemix": "noisy"}

PUBLISHED = {
    "run.epochs": "300",
    "run.backbone": "@backbones.PreActResNet18",
    "WeakView.flip": "True",
    "WeakView.pad": "4",
    "WeakView.mode": "'constant'",
    "DivideMix.batch_size": "64",
    "DivideMix.lr": "0.02",
    "DivideMix.momentum": "0.9",
    "DivideMix.weight_decay": "0.0005",
    "DivideMix.lr_drop_epoch": "150",
    "DivideMix.lr_drop": "0.1",
    "DivideMix.confidence_penalty": "0.0",
    "DivideMix.temperature": "0.5",
    "DivideMix.alpha": "4.0",
    "DivideMix.ramp_epochs": "16",
    "positives/LPA3.ratio": "0.9",
    "positives/LPA3.select": "'batch'",
    "positives/LPA3.iterations": "5",
    "positives/LPA3.lam": "1.0",
    "positives/LPA3.label": "'model'",
    "positives/LPA3.domain": "'aux'",
}
WARMUP = {"cifar10_dividemix": "10", "cifar100_dividemix": "30"}
LAMBDA_U = {
    ("cifar10_dividemix", False): ("25.0", "25.0", "50.0"),
    ("cifar10_dividemix", True): ("12.5", "25.0", "50.0"),
    ("cifar100_dividemix", False): ("150.0", "150.0", "150.0"),
    ("cifar100_dividemix", True): ("75.0", "150.0", "150.0"),
}
MARGIN = {"cifar10_dividemix": ("0.02", "0.02", "0.002"), "cifar100_dividemix": ("0.02", "0.02", "0.02")}


@pytest.mark.parametrize("name", FILES)
def test_what_all_rates_have_in_common(name: str) -> None:
    config = loaded(name, "augmenters/lpa3")
    for parameter, text in {**PUBLISHED, "DivideMix.warmup_epochs": WARMUP[name]}.items():
        assert (parameter, value(config, parameter)) == (parameter, text)


@pytest.mark.parametrize("place", range(3), ids=SETTINGS)
@pytest.mark.parametrize("name", FILES)
def test_what_depends_on_the_rate(name: str, place: int) -> None:
    setting = SETTINGS[place]
    plain, attacked = (loaded(name, *more, setting=setting) for more in ((), ("augmenters/lpa3",)))
    most = setting == "sym90"
    for config in (plain, attacked):
        assert value(config, "SymmetricNoise.rate") == f"0.{setting[3]}"
        assert value(config, "DivideMix.p_threshold") == ("0.6" if most else "0.5")
        assert value(config, "DivideMix.loss_history") == ("5" if most else "1")
    assert value(plain, "DivideMix.lambda_u") == LAMBDA_U[name, False][place]
    assert value(attacked, "DivideMix.lambda_u") == LAMBDA_U[name, True][place]
    assert value(attacked, "positives/LPA3.margin") == MARGIN[name][place]


@pytest.mark.parametrize("name", FILES)
def test_human_labels_take_the_weight_of_half_the_labels_wrong(name: str) -> None:
    for more in ((), ("augmenters/lpa3",)):
        human, half = (loaded(name, *more, setting=setting) for setting in (HUMAN[name], "sym50"))
        assert value(human, "run.labels") == "@labels.CIFARN()"
        assert value(human, "DivideMix.lambda_u") == value(half, "DivideMix.lambda_u")


@pytest.mark.parametrize("name", FILES)
def test_nothing_that_was_published_is_left_to_a_default(name: str) -> None:
    """A default may change; what was published does not."""
    config = loaded(name, "augmenters/lpa3")
    left = {v.name for v in config.values if v.origin == "default" and not v.scoring}
    free = {"WeakView.crop", "CIFAR10.train", "CIFAR10.val"}
    assert {name for name in left if not name.startswith("run.")} <= free


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("cifar10_dividemix", ("94.4 92.9 75.4", "94.89 ± 0.05 93.70 ± 0.19 79.35 ± 1.33")),
        ("cifar100_dividemix", ("74.2 59.6 31.0", "74.12 ± 0.23 61.00 ± 0.34 32.55 ± 0.25")),
    ],
)
def test_the_published_scores_in_the_heads(name: str, rows: tuple[str, str]) -> None:
    lines = [" ".join(line.split()) for line in (gin_root() / f"{name}.gin").read_text().splitlines()]
    assert f"# DivideMix {rows[0]}" in lines
    assert f"# DivideMix + LP-A3 {rows[1]}" in lines
    assert any(re.search("mean of the last 10", line) for line in lines)
