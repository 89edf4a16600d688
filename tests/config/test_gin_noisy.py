"""The shipped files of Mixup, P-correction and M-correction hold what was published."""

from __future__ import annotations

import pytest
from support.shipped_configs import loaded, value

DATA = ("cifar10", "cifar100")
RATES = ("sym50", "sym80", "sym90")
EVERYWHERE = {
    "run.backbone": "@backbones.PreActResNet18",
    "WeakView.flip": "True",
    "WeakView.pad": "4",
    "WeakView.mode": "'constant'",
}
MIXUP = {
    "batch_size": "128", "lr": "0.1", "milestones": "(100, 250)", "momentum": "0.9", "weight_decay": "0.0001",
    "alpha": "32.0",
}  # fmt: skip
COMMON = {
    "mixup": {"run.epochs": "300", **{f"Mixup.{name}": text for name, text in MIXUP.items()}},
    "mcorrection": {
        "run.epochs": "300",
        **{f"MCorrection.{name}": text for name, text in MIXUP.items()},
        "MCorrection.bootstrap_epoch": "105",
        "MCorrection.soft_epoch": "110",
        "MCorrection.temperature_epochs": "89",
        "MCorrection.temperature_last": "0.001",
        "MCorrection.penalty_weight": "1.0",
    },
    "pcorrection": {
        "run.epochs": "320",
        "PCorrection.batch_size": "128",
        "PCorrection.momentum": "0.9",
        "PCorrection.weight_decay": "0.0001",
        "PCorrection.correction_epoch": "70",
        "PCorrection.final_epoch": "200",
        "PCorrection.lr_final": "0.2",
        "PCorrection.milestones": "(240, 280)",
        "PCorrection.label_scale": "10.0",
        "PCorrection.compatibility": "'released'",
    },
}
PENCIL = ("lr", "alpha", "beta", "lam")
BY_RATE = {
    ("cifar10", "mcorrection"): [("'m_dyr_h'",), ("'m_dyr_h'",), ("'md_dyr_sh'",)],
    ("cifar100", "mcorrection"): [("'md_dyr_sh'",), ("'m_dyr_h'",), ("'md_dyr_sh'",)],
    ("cifar10", "pcorrection"): [
        ("0.04", "0.1", "0.8", "400.0"),
        ("0.1", "0.1", "0.6", "1000.0"),
        ("0.12", "0.1", "0.4", "1200.0"),
    ],
    ("cifar100", "pcorrection"): [("0.35", "0.1", "0.4", "10000.0")] * 3,
}
NAMES = {
    "mcorrection": ("MCorrection.variant",),
    "pcorrection": tuple(f"PCorrection.{name}" for name in PENCIL),
}
MARGIN = {"cifar10": ("0.02", "0.02", "0.002"), "cifar100": ("0.02", "0.02", "0.02")}


@pytest.mark.parametrize("setting", RATES)
@pytest.mark.parametrize("task", COMMON)
@pytest.mark.parametrize("data", DATA)
def test_what_all_rates_have_in_common(data: str, task: str, setting: str) -> None:
    config = loaded(f"{data}_{task}", setting=setting)
    expected = {**EVERYWHERE, **COMMON[task], "SymmetricNoise.rate": f"0.{setting[3]}"}
    assert {name: value(config, name) for name in expected} == expected


@pytest.mark.parametrize(("data", "task"), BY_RATE)
def test_what_depends_on_the_rate(data: str, task: str) -> None:
    found = [
        tuple(value(loaded(f"{data}_{task}", setting=setting), name) for name in NAMES[task])
        for setting in RATES
    ]
    assert found == BY_RATE[data, task]


@pytest.mark.parametrize("task", COMMON)
@pytest.mark.parametrize("data", DATA)
def test_lpa3_over_them_has_the_margins_of_pes(data: str, task: str) -> None:
    configs = [loaded(f"{data}_{task}", "augmenters/lpa3", setting=setting) for setting in RATES]
    assert tuple(value(config, "positives/LPA3.margin") for config in configs) == MARGIN[data]
    for config in configs:
        assert value(config, "positives/LPA3.label") == "'model'", "the given label may be wrong"
