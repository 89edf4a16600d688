"""The shipped files of ELR, SOP+ and the policies hold what was published."""

from __future__ import annotations

import pytest
from support.shipped_configs import loaded, value

ELR = {"batch_size": "128", "lr": "0.02", "momentum": "0.9", "weight_decay": "0.001"}
SOP = {**ELR, "lr_min": "0.0002", "start": "1e-08", "consistency": "0.9", "balance": "0.1"}
WAVES = {"restart_epochs": "10", "lr_min": "0.001", "beta": "0.7", "lam": "3.0"}
STEPS = {"restart_epochs": "0", "milestones": "(80, 120)", "gamma": "0.01", "beta": "0.9", "lam": "7.0"}
EARLIER = {"restart_epochs": "0", "milestones": "(40, 80)", "gamma": "0.01", "beta": "0.9", "lam": "1.0"}


@pytest.mark.parametrize(
    ("data", "setting", "epochs", "expected"),
    [
        ("cifar10", "sym80", "150", WAVES),
        ("cifar10", "worse", "150", WAVES),
        ("cifar10", "asym40", "120", EARLIER),
        ("cifar100", "sym20", "150", STEPS),
        ("cifar100", "asym40", "150", STEPS),
    ],
)
def test_elr(data: str, setting: str, epochs: str, expected: dict[str, str]) -> None:
    config = loaded(f"{data}_elr", setting=setting)
    wanted = {f"ELR.{name}": text for name, text in {**ELR, **expected}.items()}
    wanted |= {"run.epochs": epochs, "run.backbone": "@backbones.ResNet34"}
    assert {name: value(config, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("data", "setting", "rates"),
    [
        ("cifar10", "sym50", ("10.0", "10.0")),
        ("cifar100", "sym50", ("1.0", "10.0")),
        ("cifar100", "asym40", ("0.1", "100.0")),
    ],
)
def test_sop(data: str, setting: str, rates: tuple[str, str]) -> None:
    config = loaded(f"{data}_sop", setting=setting)
    wanted = {f"SOP.{name}": text for name, text in SOP.items()}
    wanted |= {
        "SOP.lr_u": rates[0],
        "SOP.lr_v": rates[1],
        "run.epochs": "300",
        "run.backbone": "@backbones.PreActResNet18",
        "strong/RandAugment.recipe": "'autoaugment_cifar10'",
        "strong/RandAugment.cutout": "16",
    }
    assert {name: value(config, name) for name in wanted} == wanted


@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
@pytest.mark.parametrize("task", ["elr", "sop"])
@pytest.mark.parametrize(("setting", "rate"), [("sym20", "0.2"), ("sym50", "0.5"), ("sym80", "0.8")])
def test_the_noise_is_what_it_is_called(data: str, task: str, setting: str, rate: str) -> None:
    assert value(loaded(f"{data}_{task}", setting=setting), "SymmetricNoise.rate") == rate
    asymmetric = loaded(f"{data}_{task}", setting="asym40")
    found = {name: value(asymmetric, f"AsymmetricNoise.{name}") for name in ("rate", "mapping")}
    assert found == {"rate": "0.4", "mapping": repr(data)}


@pytest.mark.parametrize("task", ["elr", "sop"])
@pytest.mark.parametrize(
    ("data", "margins"), [("cifar10", ("0.02", "0.002")), ("cifar100", ("0.02", "0.02"))]
)
def test_lpa3_over_them_has_the_margins_of_pes(task: str, data: str, margins: tuple[str, ...]) -> None:
    configs = [loaded(f"{data}_{task}", "augmenters/lpa3", setting=setting) for setting in ("sym80", "sym90")]
    assert tuple(value(config, "positives/LPA3.margin") for config in configs) == margins
    assert {value(config, "positives/LPA3.label") for config in configs} == {"'model'"}


@pytest.mark.parametrize("name", ["cifar10_elr", "cifar100_elr", "cifar10_sop", "cifar100_sop"])
def test_nothing_that_was_published_is_left_to_a_default(name: str) -> None:
    """A default may change; what was published does not."""
    task = name.partition("_")[2].upper()
    defaults = {v.name for v in loaded(name).values if v.origin == "default"}
    own = {parameter.removeprefix(f"{task}.") for parameter in defaults if parameter.startswith(f"{task}.")}
    assert own <= {"milestones", "gamma"}, "which waves do without"


@pytest.mark.parametrize("task", ["elr", "sop"])
def test_the_control_of_equal_cost_differs_in_nothing_but_its_length(task: str) -> None:
    plain, longer = (
        {v.name: v.text for v in loaded(f"digits_{task}", setting=setting).values}
        for setting in ("sym50", "equal_cost")
    )
    different = {name for name in plain if plain[name] != longer[name]}
    assert different - {"ELR.milestones"} == {"run.epochs", "run.setting", "run.settings"}
