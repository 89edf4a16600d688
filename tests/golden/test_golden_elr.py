"""ELR's memory, loss and gradients against the released implementation (file K)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import below, relative
from support.recorded_draws import RecordedLogits, recorded, tags

from lpa3bench.api import Step
from lpa3bench.data.sampler import Batch
from lpa3bench_plugins.tasks.elr import ELR
from lpa3bench_plugins.tasks.steps import TRAIN

SETTINGS = {"cifar10_setting": {}, "cifar100_setting": {"beta": 0.9, "lam": 7.0}}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("K_elr.npz")) as archive:
        return dict(archive)


def test_defaults(golden: dict[str, np.ndarray]) -> None:
    """Where the tests leave a parameter out, the released value is the default."""
    for setting, given in SETTINGS.items():
        task, cfg = ELR(**given), below(golden, f"{setting}/cfg")
        assert (task.beta, task.lam) == (cfg["beta"], cfg["lambda"])


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_step(golden: dict[str, np.ndarray], setting: str) -> None:
    """Several epochs of updates on the recorded logits, the last batch of each being a short one."""
    stored = below(golden, setting)
    steps = [below(stored, f"step{number}") for number in range(int(stored["cfg/steps"]))]
    views = [(tags(len(step["index"]), kind).double() / 255).to(DEVICE) for kind, step in enumerate(steps)]
    network = RecordedLogits(torch.cat(views), torch.cat([placed(step["logits"]) for step in steps]))
    task = ELR(**SETTINGS[setting])
    classes = int(stored["cfg/num_classes"])
    rows = torch.arange(len(network.images)).split([len(step["index"]) for step in steps])
    env = recorded(task, network, given=placed(stored["labels"]), num_classes=classes, views=views)
    for number, step in enumerate(steps):
        logs = task.update(Step(TRAIN, (Batch(placed(step["index"]), 0),), float(step["epoch"])), env.views)
        assert relative(task.memory, step["target_after"]) <= 1e-9, number
        assert relative(logs["label_loss"], step["loss_ce"]) <= 1e-9, number
        assert relative(logs["memory_loss"] / task.lam, step["regulariser"]) <= 1e-9, number
        assert relative(logs["loss"], step["loss_total"]) <= 1e-9, number
        assert relative(network.gradient[rows[number]], step["grad_logits"]) <= 1e-9, number
