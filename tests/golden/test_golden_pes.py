"""PES, with and without LP-A3, against the released implementation (file E)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_files import placed
from support.golden_network import PES_MOMENTUM, below, golden_state, relative, small_network
from support.recorded_draws import Checked, RecordedLogits, recorded, start_noise, tags

from lpa3bench.api import Step
from lpa3bench.data.sampler import Batch
from lpa3bench_plugins.tasks import mixmatch, pes
from lpa3bench_plugins.tasks.mixmatch import MIXMATCH
from lpa3bench_plugins.tasks.pes import PES


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "E_pes.npz") as archive:
        return dict(archive)


def test_defaults(golden: dict[str, np.ndarray]) -> None:
    """Where the tests leave a parameter out, the released value is the default."""
    cfg = {name: value.item() for name, value in below(golden, "step/cfg").items() if value.ndim == 0}
    task, attack = PES(), Checked()
    assert task.warmup_epochs == cfg["T1"] == int(golden["loss/T1"])
    assert task.temperature == cfg["T_sharpen"]
    assert task.batch_size == int(golden["split/case0/batch_size"])
    assert (task.alpha, task.alpha_late) == (cfg["alpha"], golden["step/pes/epoch151/alpha_used"])
    assert (task.lr, task.momentum, task.weight_decay) == tuple(
        cfg[name] for name in ("lr", "momentum", "weight_decay")
    )
    assert (attack.options.margin, attack.options.lam) == (cfg["bound"], cfg["lam"])


# -------------------------------------------------------------------------------------------------- split
@pytest.mark.parametrize(("case", "options"), [(0, {}), (1, {"batch_size": 32})])
def test_split(golden: dict[str, np.ndarray], case: int, options: dict[str, Any]) -> None:
    """The first step of an epoch, on the recorded logits of two views of every image."""
    stored = below(golden, f"split/case{case}")
    given = placed(stored["noisy_labels"])
    images = [(tags(len(given), kind).float() / 255).to(given.device) for kind in (1, 2)]
    network = RecordedLogits(
        torch.cat(images), torch.cat([placed(stored[f"logits_view{view}"]) for view in (1, 2)])
    )
    task = PES(warmup_epochs=0, head_epochs=0, **options)
    views: list[torch.Tensor] = []
    env = recorded(task, network, given=given, num_classes=int(stored["num_class"]), views=views)
    for index in torch.split(torch.arange(len(given)), 4 * int(stored["batch_size"])):
        views += [image[index] for image in images]
    step = next(iter(task.batches(0)))
    assert env.subsets["confident"] == stored["confident_idx"].tolist()
    assert env.subsets["unconfident"] == stored["unconfident_idx"].tolist()
    np.testing.assert_array_equal(task.weights.cpu().numpy(), stored["class_weights_f32"])
    shares = tuple(len(batch.index) for batch in step.batches)
    assert shares == (int(stored["batch_confident"]), int(stored["batch_unconfident"]))
    assert not any(training for _, training in network.asked)


def test_batch_shares(golden: dict[str, np.ndarray]) -> None:
    for believed, doubted, batch, *shares in golden["batch_split/table"].tolist():
        assert pes.batch_shares(believed, doubted, batch) == tuple(shares)


# --------------------------------------------------------------------------------------------- schedules
def untrained(**options: Any) -> tuple[PES, Any]:
    """A task that sees two labelled and two unlabelled images, each mixed with nothing but itself."""
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    network = RecordedLogits(tags(4).double() / 255, logits.double())
    task = PES(**options)
    alone = SimpleNamespace(beta=lambda *_: 1.0, permutation=torch.arange)
    given = torch.tensor([0, 1, 0, 0])
    env = recorded(task, network, given=given, num_classes=3, epochs=300, draws={"pes/mix": alone})
    task.weights = torch.ones(3, device=env.device)
    return task, env


def test_learning_rate(golden: dict[str, np.ndarray]) -> None:
    task, _ = untrained()
    rates = []
    for epoch in range(300):
        task.begin_epoch(epoch)
        rates.append(task.sgd.param_groups[0]["lr"])
    assert relative(np.array(rates), golden["lr/cosine_300"]) <= 1e-9


@pytest.mark.parametrize(
    ("options", "name"), [({"lambda_u": 15.0}, "value"), ({"lambda_u": 1.0}, "value_T1_20_lambda1")]
)
def test_ramp(golden: dict[str, np.ndarray], options: dict[str, Any], name: str) -> None:
    """The weight that the loss of each update gives to the unlabelled one."""
    assert float(golden["loss/lambda_u"]) == 15.0
    task, env = untrained(**options)
    found = []
    for time in golden["rampup/current"].tolist():
        sides = torch.arange(4, device=env.device).split(2)
        logs = task.update(Step(MIXMATCH, tuple(Batch(side, 0) for side in sides), time), env.views)
        found.append(float((logs["loss"] - logs["labelled_loss"]) / logs["unlabelled_loss"]))
    assert relative(np.array(found), golden[f"rampup/{name}"]) <= 1e-9


@pytest.mark.parametrize(("precision", "tolerance"), [("f64", 1e-9), ("f32", 2e-6)])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_losses(golden: dict[str, np.ndarray], precision: str, tolerance: float, epoch: int) -> None:
    """The parts and their sum, as a step forms them; the targets were recorded apart from any images."""
    stored = below(golden, f"loss/{precision}")
    rows = 2 * int(golden["loss/labelled_batch"])
    logits, logits_adv = (placed(stored[name]).requires_grad_() for name in ("logits", "logits_adv"))
    target, target_adv, weights = (
        placed(stored[name]) for name in ("mixed_target", "mixed_target_adv", "class_weights")
    )
    expected = below(stored, f"epoch{epoch}")
    ramp = float(golden[f"loss/epoch{epoch}/lambda_u_ramped"])
    losses = mixmatch.losses_of(logits, target, rows, weights)
    assert relative(mixmatch.total(losses, ramp), expected["total_pes"]) <= tolerance
    losses["positives_loss"] = mixmatch.losses_of(logits_adv, target_adv[rows:], 0)["unlabelled_loss"]
    total = mixmatch.total(losses, ramp)
    assert relative(total, expected["total_pes_lpa3"]) <= tolerance
    names = {"Lx": "labelled_loss", "Lu": "unlabelled_loss", "Ladv": "positives_loss"}
    for golden_name, name in names.items():
        assert relative(losses[name], expected[golden_name]) <= tolerance, name
    gradients = torch.autograd.grad(total, (logits, logits_adv))
    for found, name in zip(gradients, ("grad_logits", "grad_logits_adv"), strict=True):
        assert relative(found, expected[name]) <= tolerance, name


# ----------------------------------------------------------------------------------------- complete steps
def step(golden: dict[str, np.ndarray], flavour: str, epoch: int, dtype: torch.dtype) -> SimpleNamespace:
    """One update of the real task at the golden step's state."""
    cfg = {name: value.item() for name, value in below(golden, "step/cfg").items() if value.ndim == 0}
    run = below(golden, f"step/{flavour}/epoch{epoch}")
    views = [
        placed(golden[f"step/{name}_u8"]).permute(0, 3, 1, 2).to(dtype) / 255
        for name in ("labeled1", "labeled2", "unlabeled1", "unlabeled2")
    ]
    targets = placed(golden["step/targets_x"])
    given = torch.zeros(len(targets) + len(views[2]), dtype=torch.int64)
    given[: len(targets)] = targets
    drawn: list[float] = []

    def beta(alpha: float, beta: float) -> float:
        drawn.extend((alpha, beta))
        return float(run["beta_drawn"])

    order = torch.from_numpy(golden["step/permutation"])
    draws = {"pes/mix": SimpleNamespace(beta=beta, permutation=lambda n: order[:n])}
    slots: dict[Any, Any] = {}
    if flavour == "pes_lpa3":
        slots["positives"] = Checked(iterations=cfg["K"], ratio=1.0)
        slots["positives"].stored = placed(run["f64/x_adv" if dtype is torch.float64 else "f32/x_adv"])
        draws["augment/positives/net"] = start_noise(placed(run["attack_noise"]))
    task = PES(lambda_u=cfg["lambda_u"])
    network = small_network(below(golden, "step/initial"), momentum=PES_MOMENTUM, dtype=dtype)
    env = recorded(
        task,
        network,
        given=given,
        num_classes=10,
        images=torch.zeros(len(given), 3, 12, 12, dtype=torch.uint8),
        views=views,
        draws=draws,
        normalisation=(golden["step/cfg/mean"], golden["step/cfg/std"]),
        epochs=cfg["num_epochs"],
        slots=slots,
    )
    task.weights = placed(golden["step/class_weights"]).to(dtype)
    everything = torch.arange(len(given), device=env.device)
    sides = everything[: len(targets)], everything[len(targets) :]
    logs = task.update(Step(MIXMATCH, tuple(Batch(side, 0) for side in sides), float(epoch)), env.views)
    assert drawn == [float(run["alpha_used"])] * 2
    return SimpleNamespace(logs=logs, network=network, expected=run)


@pytest.mark.parametrize(("precision", "tolerance"), [("f64", 1e-9), ("f32", 1e-5)])
@pytest.mark.parametrize("flavour", ["pes", "pes_lpa3"])
def test_complete_step(golden: dict[str, np.ndarray], flavour: str, precision: str, tolerance: float) -> None:
    done = step(golden, flavour, 23, torch.float64 if precision == "f64" else torch.float32)
    expected = below(done.expected, precision)
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
    assert float(done.expected["alpha_used"]) == 0.75
    expected = below(done.expected, "f64")
    names = {"Lx": "labelled_loss", "Lu": "unlabelled_loss", "total": "loss"}
    for golden_name, name in names.items():
        assert relative(done.logs[name], expected[golden_name]) <= 1e-9, name
