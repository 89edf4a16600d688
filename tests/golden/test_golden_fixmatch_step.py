"""A complete step of FixMatch with LP-A3 against the released implementation (file C, step)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import FIXMATCH_MOMENTUM, below, golden_state, our_name, relative, small_network
from support.recorded_draws import Checked, recorded, start_noise

from lpa3bench.nn.bank import ConsistencyBank
from lpa3bench_plugins.tasks.fixmatch import FixMatch


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("C_fixmatch_lpa3_step.npz")) as archive:
        return below(archive, "step")


def test_defaults(golden: dict[str, np.ndarray]) -> None:
    """Where the step leaves a parameter out, the released value is the default."""
    cfg = {name: value.item() for name, value in below(golden, "cfg").items() if value.ndim == 0}
    task, options = FixMatch(), Checked().options
    assert task.ema_decay == cfg["ema_decay"]
    assert (task.lr, task.momentum) == (cfg["lr"], cfg["nesterov_momentum"])
    assert task.weight_decay == cfg["weight_decay"]
    assert task.temperature == cfg["T"] == options.temperature
    assert (options.margin, options.lam) == (cfg["bound"], cfg["lam"])


class WithMemory(Checked):
    """LP-A3 with the golden memory, in the precision of the run."""

    golden: dict[str, np.ndarray]

    def setup(self, env: Any) -> None:
        super().setup(env)
        before = {name: placed(self.golden[f"memory_{name}_before"]) for name in ("prob", "tcs")}
        self.bank = ConsistencyBank(*before["prob"].shape, dtype=self.stored.dtype, device=DEVICE)
        threshold = placed(self.golden["tcs_threshold"])
        self.bank.load_state_dict(
            {"probabilities": before["prob"], "scores": before["tcs"], "threshold": threshold}
        )


def one_step(golden: dict[str, np.ndarray], precision: str) -> SimpleNamespace:
    """The first step of the real task from the golden step's state."""
    dtype = torch.float64 if precision == "f64" else torch.float32
    cfg = {name: value.item() for name, value in below(golden, "cfg").items() if value.ndim == 0}
    views = [
        placed(golden[f"{name}_u8"]).permute(0, 3, 1, 2).to(dtype) / 255
        for name in ("labeled", "weak", "strong")
    ]
    network = small_network(below(golden, "initial"), momentum=FIXMATCH_MOMENTUM, dtype=dtype)
    attack = WithMemory(iterations=cfg["K"], select="dataset")
    attack.golden, attack.stored = golden, placed(golden[f"{precision}/x_adv"])
    task = FixMatch(
        batch_size=cfg["labelled_batch"],
        mu=cfg["mu"],
        steps_per_epoch=cfg["total_steps"],
        threshold=cfg["threshold"],
        positives_threshold=cfg["threshold_lpa3"],
    )
    memory, targets = len(golden["memory_tcs_before"]), placed(golden["targets_x"])
    count = memory + len(targets)  # the labelled images come after those that the memory knows
    given = torch.zeros(count, dtype=torch.int64)
    given[memory:] = targets
    first = torch.from_numpy(golden["index"])
    env = recorded(
        task,
        network,
        given=given,
        num_classes=10,
        images=torch.zeros(count, 3, 14, 14, dtype=torch.uint8),
        labelled=torch.arange(count) >= memory,
        views=views,
        draws={
            "augment/positives/net": start_noise(placed(golden["attack_noise"])),
            "order/labelled": SimpleNamespace(permutation=torch.arange),
            "order/unlabelled": SimpleNamespace(permutation=lambda n: first),
        },
        normalisation=(golden["cfg/mean"], golden["cfg/std"]),
        slots={"positives": attack},
    )
    logs = task.update(next(iter(task.batches(0))), env.views)
    average: Any = task.ema.model
    return SimpleNamespace(
        logs=logs,
        gradients=env.gradients,
        network=network,
        average=average.backbone,
        memory=env.views.state_dict()["augmenters"]["positives/net"]["bank"],
    )


@pytest.mark.parametrize(("precision", "tolerance"), [("f64", 1e-9), ("f32", 1e-5)])
def test_complete_step(golden: dict[str, np.ndarray], precision: str, tolerance: float) -> None:
    done, expected = one_step(golden, precision), below(golden, precision)
    names = {
        "L_labelled": "labelled_loss",
        "L_unlabelled": "unlabelled_loss",
        "L_lpa3": "positives_loss",
        "total": "loss",
    }
    for golden_name, name in names.items():
        assert relative(done.logs[name], expected[golden_name]) <= tolerance, name
    for golden_name, name in {"conf_mask": "confident", "conf_mask_lpa3": "positives_confident"}.items():
        assert float(done.logs[name]) == pytest.approx(float(expected[golden_name].mean())), name
    for golden_name, name in {"memory_tcs_after": "scores", "memory_prob_after": "probabilities"}.items():
        assert relative(done.memory[name], expected[golden_name]) <= tolerance, name
    for group, network in (("after", done.network), ("ema_after", done.average)):
        after, state = below(expected, group), golden_state(network)
        if group == "ema_after" and precision == "f32":
            assert not after, "the average is recorded in float64 alone"
            continue
        assert set(after) == set(state)
        for name, value in after.items():
            # The running statistics of the search's own passes are as sensitive as the search.
            searched = precision == "f32" and "_adv.running" in name
            assert relative(state[name], value) <= (1e-4 if searched else tolerance), (group, name)


def test_gradients_of_the_complete_step(golden: dict[str, np.ndarray]) -> None:
    gradients = one_step(golden, "f64").gradients
    expected = below(golden, "f64/grad")
    assert {our_name(name) for name in expected} == set(gradients)
    for name, value in expected.items():
        assert relative(gradients[our_name(name)], value) <= 1e-9, name
