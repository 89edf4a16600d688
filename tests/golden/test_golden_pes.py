"""PES, with and without LP-A3, against the released implementation (file E)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import PES_MOMENTUM, below, golden_state, relative, small_network
from support.recorded_draws import Checked, RecordedEnvironment
from torch import Tensor

from lpa3bench.api import DatasetSpec, Step, TrainLabels, WeakView
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.data.sampler import Batch
from lpa3bench.ops import cosine, linear_ramp, soft_cross_entropy, squared_error
from lpa3bench_plugins.tasks import pes
from lpa3bench_plugins.tasks.mixmatch import MIXMATCH
from lpa3bench_plugins.tasks.pes import PES


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "E_pes.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("case", [0, 1])
def test_split(golden: dict[str, np.ndarray], case: int) -> None:
    stored = below(golden, f"split/case{case}")
    given = placed(stored["noisy_labels"])
    views = [placed(stored[f"logits_view{v}"]).softmax(1) for v in (1, 2)]
    mean = (views[0] + views[1]) / 2
    assert relative(mean, stored["mean_softmax"]) <= 2e-6
    believed = pes.confident(mean, given)
    assert believed.nonzero().flatten().tolist() == stored["confident_idx"].tolist()
    assert (~believed).nonzero().flatten().tolist() == stored["unconfident_idx"].tolist()
    weights = pes.class_weights(given[believed], int(stored["num_class"]), cap=3.0)
    np.testing.assert_array_equal(weights.cpu().numpy(), stored["class_weights_f32"])
    shares = pes.batch_shares(int(believed.sum()), int((~believed).sum()), int(stored["batch_size"]))
    assert shares == (int(stored["batch_confident"]), int(stored["batch_unconfident"]))


def test_batch_shares(golden: dict[str, np.ndarray]) -> None:
    for believed, doubted, batch, *shares in golden["batch_split/table"].tolist():
        assert pes.batch_shares(believed, doubted, batch) == tuple(shares)


def test_schedules(golden: dict[str, np.ndarray]) -> None:
    rates = [cosine(epoch, 300, 0.02, 0.0002) for epoch in range(300)]
    assert relative(np.array(rates), golden["lr/cosine_300"]) <= 1e-9
    times = golden["rampup/current"].tolist()
    plain = [linear_ramp(t, 20, 16) for t in times]
    assert relative(np.array(plain), golden["rampup/value_T1_20_lambda1"]) <= 1e-9


@pytest.mark.parametrize(("precision", "tolerance"), [("f64", 1e-9), ("f32", 2e-6)])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_losses(golden: dict[str, np.ndarray], precision: str, tolerance: float, epoch: int) -> None:
    stored = below(golden, f"loss/{precision}")
    rows = 2 * int(golden["loss/labelled_batch"])
    logits, logits_adv = (placed(stored[name]).requires_grad_() for name in ("logits", "logits_adv"))
    target, target_adv, weights = (
        placed(stored[name]) for name in ("mixed_target", "mixed_target_adv", "class_weights")
    )
    time = float(golden[f"loss/epoch{epoch}/epoch"])
    ramp = float(golden["loss/lambda_u"]) * linear_ramp(time, int(golden["loss/T1"]), 16)
    assert ramp == pytest.approx(float(golden[f"loss/epoch{epoch}/lambda_u_ramped"]), abs=1e-12)
    labelled = soft_cross_entropy(logits[:rows], target[:rows], weights)
    unlabelled = squared_error(logits[rows:], target[rows:])
    positives = squared_error(logits_adv, target_adv[rows:])
    plain = labelled + ramp * unlabelled
    total = labelled + ramp * (unlabelled + positives)
    expected = below(stored, f"epoch{epoch}")
    for found, name in (
        (labelled, "Lx"),
        (unlabelled, "Lu"),
        (positives, "Ladv"),
        (plain, "total_pes"),
        (total, "total_pes_lpa3"),
    ):
        assert relative(found, expected[name]) <= tolerance, name
    gradients = torch.autograd.grad(total, (logits, logits_adv))
    for found, name in zip(gradients, ("grad_logits", "grad_logits_adv"), strict=True):
        assert relative(found, expected[name]) <= tolerance, name


# --------------------------------------------------------------------------------------- complete steps
class RecordedDraws:
    """The draws of the golden step, in place of random ones."""

    def __init__(self, golden: dict[str, np.ndarray], run: dict[str, np.ndarray], dtype: torch.dtype) -> None:
        self.golden, self.run, self.dtype = golden, run, dtype
        self.alpha: float | None = None

    def beta(self, alpha: float, beta: float) -> float:
        assert alpha == beta
        self.alpha = alpha
        return float(self.run["beta_drawn"])

    def permutation(self, n: int) -> Tensor:
        order = torch.from_numpy(self.golden["step/permutation"])
        assert len(order) == n
        return order

    def uniform(self, size: Any, low: float, high: float, *, like: Tensor) -> Tensor:
        assert (low, high) == (-0.01, 0.01)
        noise = placed(self.run["attack_noise"]).to(self.dtype)
        assert noise.shape == torch.Size(size)
        return noise


def step(golden: dict[str, np.ndarray], flavour: str, epoch: int, dtype: torch.dtype) -> SimpleNamespace:
    """One update of the real task at the golden step's state."""
    cfg = {name: value.item() for name, value in below(golden, "step/cfg").items() if value.ndim == 0}
    run = below(golden, f"step/{flavour}/epoch{epoch}")
    images = [
        placed(golden[f"step/{name}_u8"]).permute(0, 3, 1, 2).to(dtype) / 255
        for name in ("labeled1", "labeled2", "unlabeled1", "unlabeled2")
    ]
    targets = placed(golden["step/targets_x"])
    network = small_network(below(golden, "step/initial"), momentum=PES_MOMENTUM, dtype=dtype)
    spec = DatasetSpec(
        name="golden",
        num_classes=10,
        channels=3,
        size=12,
        mean=tuple(golden["step/cfg/mean"].tolist()),
        std=tuple(golden["step/cfg/std"].tolist()),
        weak=WeakView(flip=False, pad=0),
    )
    attack = Checked(margin=cfg["bound"], lam=cfg["lam"], iterations=cfg["K"], ratio=1.0)
    if flavour == "pes_lpa3":
        attack.stored = placed(run["f64/x_adv" if dtype is torch.float64 else "f32/x_adv"])
    task = PES(
        lr=cfg["lr"],
        momentum=cfg["momentum"],
        weight_decay=cfg["weight_decay"],
        warmup_epochs=cfg["T1"],
        temperature=cfg["T_sharpen"],
        alpha=cfg["alpha"],
        lambda_u=cfg["lambda_u"],
    )
    experiment = Experiment(
        task=task,
        dataset=SimpleNamespace(spec=spec),
        backbone=lambda **_: network,
        epochs=cfg["num_epochs"],
        positives=attack if flavour == "pes_lpa3" else None,
        precision="float32",
    )
    count = len(targets) + len(images[2])
    everything = torch.arange(count, device=DEVICE)
    labels = TrainLabels(torch.zeros_like(everything), torch.ones_like(everything, dtype=torch.bool))
    labels.given[: len(targets)] = targets
    draws = RecordedDraws(golden, run, dtype)
    env = RecordedEnvironment(
        experiment,
        images,
        draws,
        spec=spec,
        store=ImageStore(torch.zeros(count, 3, 12, 12, dtype=torch.uint8), spec.weak, DEVICE),
        labels=labels,
        seed=0,
        device=DEVICE,
    )
    task.setup(env)
    task.weights = placed(golden["step/class_weights"]).to(dtype)
    labelled, unlabelled = everything[: len(targets)], everything[len(targets) :]
    logs = task.update(Step(MIXMATCH, (Batch(labelled, 0), Batch(unlabelled, 0)), float(epoch)), env.views)
    return SimpleNamespace(logs=logs, network=network, expected=run, alpha=draws.alpha)


@pytest.mark.parametrize(("precision", "tolerance"), [("f64", 1e-9), ("f32", 1e-5)])
@pytest.mark.parametrize("flavour", ["pes", "pes_lpa3"])
def test_complete_step(golden: dict[str, np.ndarray], flavour: str, precision: str, tolerance: float) -> None:
    done = step(golden, flavour, 23, torch.float64 if precision == "f64" else torch.float32)
    expected = below(done.expected, precision)
    assert done.alpha == float(done.expected["alpha_used"])
    names = {"Lx": "labelled_loss", "Lu": "unlabelled_loss", "Ladv": "positives_loss", "total": "loss"}
    compared = [golden_name for golden_name in names if golden_name in expected]
    assert len(compared) == (4 if flavour == "pes_lpa3" else 3)
    for name in compared:
        assert relative(done.logs[names[name]], expected[name]) <= tolerance, name
    after = below(expected, "after")
    state = golden_state(done.network)
    assert set(after) == set(state)
    for name, value in after.items():
        # The running statistics of the search's own passes are as sensitive as the search.
        searched = precision == "f32" and "_adv.running" in name
        assert relative(state[name], value) <= (1e-4 if searched else tolerance), name


@pytest.mark.parametrize("flavour", ["pes", "pes_lpa3"])
def test_second_half_mixes_with_the_other_alpha(golden: dict[str, np.ndarray], flavour: str) -> None:
    done = step(golden, flavour, 151, torch.float64)
    assert done.alpha == float(done.expected["alpha_used"]) == 0.75
    expected = below(done.expected, "f64")
    names = {"Lx": "labelled_loss", "Lu": "unlabelled_loss", "total": "loss"}
    for golden_name, name in names.items():
        assert relative(done.logs[name], expected[golden_name]) <= 1e-9, name
