"""DivideMix against the released implementation (file D)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import below, relative
from torch import Tensor

from lpa3bench.api import DatasetSpec, Output, Step, TrainLabels, WeakView
from lpa3bench.data.sampler import Batch
from lpa3bench.ops import linear_ramp
from lpa3bench_plugins.tasks import codivide, dividemix
from lpa3bench_plugins.tasks.dividemix import DivideMix, Turn
from lpa3bench_plugins.tasks.mixmatch import MIXMATCH

PRECISIONS = [("f64", 1e-9), ("f32", 2e-6)]


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "D_dividemix.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
@pytest.mark.parametrize(("penalty", "name"), [(0.0, "sym"), (1.0, "asym")])
def test_warm_up(
    golden: dict[str, np.ndarray], penalty: float, name: str, precision: str, tolerance: float
) -> None:
    stored = below(golden, f"warmup/{precision}")
    logits = placed(stored["logits"]).requires_grad_()
    loss = dividemix.warmup_loss(logits, placed(golden["warmup/labels"]), penalty)
    assert relative(loss, stored[f"loss_{name}"]) <= tolerance
    if precision == "f64" or name == "sym":
        (gradient,) = torch.autograd.grad(loss, logits)
        assert relative(gradient, stored[f"grad_{name}"]) <= tolerance


# -------------------------------------------------------------------------------------------------- split
@pytest.mark.parametrize(("rate", "history"), [("r0.5", 1), ("r0.9", 5)])
def test_split(golden: dict[str, np.ndarray], rate: str, history: int) -> None:
    remembered = torch.zeros(0, golden["gmm/raw_loss"].shape[1])
    for epoch, raw in enumerate(placed(golden["gmm/raw_loss"])):
        latest = codivide.scaled_losses(raw).cpu()
        if epoch == 0:
            assert relative(latest, golden["gmm/normalised_loss_epoch0"]) <= 2e-6
        remembered = codivide.remember(remembered, latest, history)
        if epoch not in (0, 6):
            continue
        stored = below(golden, f"gmm/{rate}/epoch{epoch}")
        losses = remembered.mean(0)
        assert relative(losses, stored["gmm_input"]) <= 2e-6
        clean = codivide.clean_probability(losses, seed=int(golden["gmm/numpy_seed"]))
        assert relative(clean, stored["clean_prob"]) <= 1e-5
        np.testing.assert_array_equal((clean > 0.5).numpy(), stored["labelled_mask"])


# -------------------------------------------------------------------------------------------- schedules
def test_schedules(golden: dict[str, np.ndarray]) -> None:
    warm, weight = int(golden["cfg/warm"]), float(golden["cfg/lu"])
    ramp = [weight * linear_ramp(t, warm, 16) for t in golden["rampup/epoch"].tolist()]
    assert relative(np.array(ramp), golden["rampup/value"]) <= 1e-9
    task = DivideMix()
    task.sgd = torch.optim.SGD([torch.zeros(1)], 1.0)
    rates = []
    for epoch in golden["lr/epoch"].tolist():
        task.begin_epoch(epoch)
        rates.append(task.sgd.param_groups[0]["lr"])
    assert relative(np.array(rates), golden["lr/lr"]) <= 1e-9


# ------------------------------------------------------------------------------------------ complete steps
class RecordedEnvironment:
    """The golden step's views, draws and logits in place of an environment and of two networks."""

    device = DEVICE

    def __init__(self, golden: dict[str, np.ndarray], precision: str) -> None:
        stored = below(golden, f"mixmatch/{precision}")
        self.stored = {name: placed(value) for name, value in stored.items() if value.ndim}
        self.labels_x = placed(golden["mixmatch/labels_x"])
        self.golden = golden
        count = len(self.labels_x) + len(self.stored["input_u"])
        given = torch.zeros(count, dtype=torch.int64, device=DEVICE)
        given[: len(self.labels_x)] = self.labels_x
        self.labels = TrainLabels(given, torch.ones(count, dtype=torch.bool, device=DEVICE))
        weak = WeakView(flip=False, pad=0)
        self.spec = DatasetSpec(
            name="golden",
            num_classes=int(golden["cfg/C"]),
            channels=3,
            size=4,
            mean=(0,),
            std=(1,),
            weak=weak,
        )
        self.waiting = [self.stored[f"input_{name}"] for name in ("x", "x2", "u", "u2")]
        self.evaluated: Any = None
        self.asked: list[tuple[str, str]] = []
        self.mixed = self.stored["logits_mixed"].clone().requires_grad_()

    def weak(self, index: Tensor) -> Tensor:
        return self.waiting.pop(0)

    def draws(self, name: str) -> Any:
        return self

    def beta(self, alpha: float, beta: float) -> float:
        assert alpha == beta == float(self.golden["cfg/alpha"])
        return float(self.golden["mixmatch/beta_drawn"])

    def permutation(self, n: int) -> Tensor:
        order = torch.from_numpy(self.golden["mixmatch/permutation"])
        assert len(order) == n
        return order

    def evaluating(self, net: Any) -> Any:
        return net

    def logits(self, net: Any, x: Tensor, *_: Any) -> Output:
        """The recorded logits of these very images."""
        if len(x) == len(self.mixed):
            assert net.name == "net"
            assert net.training
            mixed = self.stored["mixed_input"]
            assert relative(x, mixed.cpu().numpy()) <= (1e-9 if x.dtype is torch.float64 else 2e-6)
            return Output(self.mixed, ())
        (view,) = (v for v in ("x", "x2", "u", "u2") if torch.equal(self.stored[f"input_{v}"], x))
        assert not torch.is_grad_enabled()
        assert net.training == (net.name == "net"), "the other network looks in evaluation mode"
        self.asked.append((net.name, view))
        return Output(self.stored[f"logits_{net.name}_{view}"], ())

    def backward(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]


class Recorded(SimpleNamespace):
    """Stands for a network, and for the block in which it is in evaluation mode."""

    def __enter__(self) -> None:
        self.training = False

    def __exit__(self, *_: Any) -> None:
        self.training = True


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("case", [0, 1, 2])
def test_complete_step(
    golden: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    case: int,
    precision: str,
    tolerance: float,
) -> None:
    """The real task's update on the recorded logits: targets, mixing, losses and gradient."""
    env: Any = RecordedEnvironment(golden, precision)
    labelled = torch.arange(len(env.labels_x), device=DEVICE)
    unlabelled = torch.arange(len(env.labels_x), len(env.labels.given), device=DEVICE)
    task = DivideMix(
        temperature=float(golden["cfg/T"]),
        alpha=float(golden["cfg/alpha"]),
        lambda_u=float(golden["cfg/lu"]),
        warmup_epochs=int(golden["cfg/warm"]),
    )
    task.env = env
    task.sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    net: Any = Recorded(name="net", training=True)
    other: Any = Recorded(name="other", training=True)
    clean = torch.zeros(len(env.labels.given), dtype=torch.float64, device=DEVICE)
    clean[labelled] = placed(golden["mixmatch/clean_prob_x"])
    task.turn = Turn(net, other, clean)
    seen: dict[str, Any] = {}
    mixmatch_losses = dividemix.mixmatch_losses

    def spy(env: Any, net: Any, pairs: Any, mixing: Any, **more: Any) -> Any:
        seen.update(pairs=pairs, mixing=mixing)
        return mixmatch_losses(env, net, pairs, mixing, **more)

    monkeypatch.setattr(dividemix, "mixmatch_losses", spy)
    epoch = float(golden[f"mixmatch/epoch{case}/epoch"])
    logs = task.update(
        Step(MIXMATCH, (Batch(labelled, 0), Batch(unlabelled, 0)), epoch), lambda *_, **__: None
    )

    stored = below(golden, f"mixmatch/{precision}")
    assert sorted(env.asked) == [
        ("net", "u"), ("net", "u2"), ("net", "x"), ("net", "x2"), ("other", "u"), ("other", "u2"),
    ]  # fmt: skip
    assert relative(seen["pairs"].target_u, stored["targets_u"]) <= tolerance
    assert relative(seen["pairs"].target_x, stored["targets_x"]) <= tolerance
    assert seen["mixing"].share == pytest.approx(float(golden["mixmatch/mix_coefficient"]), abs=1e-15)
    expected = below(stored, f"epoch{case}")
    names = {
        "labelled_loss": "Lx",
        "unlabelled_loss": "Lu",
        "prior_penalty": "prior_penalty",
        "loss": "total",
    }
    for found, name in names.items():
        assert relative(logs[found], expected[name]) <= tolerance, name
    assert relative(env.mixed.grad, expected["grad_logits_mixed"]) <= tolerance
