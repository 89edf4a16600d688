"""DivideMix against the released implementation (file D)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_files import placed
from support.golden_network import below, relative
from support.recorded_draws import RecordedEnvironment, RecordedLogits, recorded, tags
from torch import Tensor

from lpa3bench.api import Step
from lpa3bench.data.sampler import Batch
from lpa3bench_plugins.tasks.dividemix import DivideMix, Turn
from lpa3bench_plugins.tasks.mixmatch import MIXMATCH

PRECISIONS = [("f64", 1e-9), ("f32", 2e-6)]


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "D_dividemix.npz") as archive:
        return dict(archive)


def test_defaults(golden: dict[str, np.ndarray]) -> None:
    """Where the tests leave a parameter out, the released value is the default."""
    task = DivideMix()
    found = (task.temperature, task.alpha, task.lambda_u, task.warmup_epochs, task.confidence_penalty)
    assert found == (*(golden[f"cfg/{name}"].item() for name in ("T", "alpha", "lu", "warm")), 0.0)


# ------------------------------------------------------------------------------------------------ warm-up
@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
@pytest.mark.parametrize(("options", "name"), [({}, "sym"), ({"confidence_penalty": 1.0}, "asym")])
def test_warm_up(
    golden: dict[str, np.ndarray], options: dict[str, Any], name: str, precision: str, tolerance: float
) -> None:
    """A step of the warm-up, in which both networks happen to see the recorded logits."""
    stored = below(golden, f"warmup/{precision}")
    logits, given = placed(stored["logits"]), placed(golden["warmup/labels"])
    images = tags(len(given)).to(logits.dtype) / 255
    networks = [RecordedLogits(images, logits) for _ in range(2)]
    task = DivideMix(**options)
    env = recorded(task, *networks, given=given, num_classes=logits.shape[1])
    (step,) = task.batches(0)
    logs = task.update(step, env.views)
    assert relative(logs["loss"] / 2, stored[f"loss_{name}"]) <= tolerance
    if precision == "f64" or name == "sym":
        for network in networks:
            assert relative(network.gradient, stored[f"grad_{name}"]) <= tolerance


# -------------------------------------------------------------------------------------------------- split
def network_of_losses(losses: Tensor, given: Tensor) -> RecordedLogits:
    """A network of two classes with these losses [N] on the given labels."""
    losses = losses.double()
    logits = torch.zeros(len(losses), 2, dtype=torch.float64, device=losses.device)
    logits[torch.arange(len(losses)), 1 - given] = torch.expm1(losses).log()
    return RecordedLogits(tags(len(losses)).double() / 255, logits)


@pytest.mark.parametrize(("rate", "options"), [("r0.5", {}), ("r0.9", {"loss_history": 5})])
def test_split(golden: dict[str, np.ndarray], rate: str, options: dict[str, Any]) -> None:
    """The first network is taught by the second one's losses, which are the recorded ones."""
    raw_losses = placed(golden["gmm/raw_loss"])
    given = torch.arange(raw_losses.shape[1], device=raw_losses.device) % 2
    one, two = (network_of_losses(raw, given) for raw in (raw_losses[0].flip(0), raw_losses[0]))
    task = DivideMix(warmup_epochs=0, **options)
    seed = SimpleNamespace(child=lambda: int(golden["gmm/numpy_seed"]))
    env = recorded(task, one, two, given=given, num_classes=2, epochs=7, draws={"dividemix/mixture": seed})
    for epoch, raw in enumerate(raw_losses):
        two.logits.data = network_of_losses(raw, given).logits.data
        next(task.batches(epoch))
        if epoch == 0:
            assert relative(task.history["net2"][-1], golden["gmm/normalised_loss_epoch0"]) <= 2e-6
        if epoch not in (0, 6):
            continue
        stored = below(golden, f"gmm/{rate}/epoch{epoch}")
        assert relative(task.turn.clean, stored["clean_prob"]) <= 1e-5
        labelled = stored["labelled_mask"]
        assert env.subsets["clean/net1"] == labelled.nonzero()[0].tolist()
        assert env.subsets["noisy/net1"] == (~labelled).nonzero()[0].tolist()
    assert not any(training for network in (one, two) for _, training in network.asked)


# ------------------------------------------------------------------------------------------ complete steps
class Prepared:
    """A task at the state of the golden step, with networks that know all it will show them."""

    def __init__(self, golden: dict[str, np.ndarray], precision: str) -> None:
        stored = {name: placed(value) for name, value in below(golden, f"mixmatch/{precision}").items()}
        self.net, self.other = (
            RecordedLogits(
                torch.cat([stored["mixed_input" if v == "mixed" else f"input_{v}"] for v in views]),
                torch.cat([stored["logits_mixed" if v == "mixed" else f"logits_{name}_{v}"] for v in views]),
                tolerance=1e-9 if precision == "f64" else 2e-6,
                passes=[len(stored["mixed_input" if v == "mixed" else f"input_{v}"]) for v in views],
            )
            for name, views in (("net", ("x", "x2", "u", "u2", "mixed")), ("other", ("u", "u2")))
        )
        labels = placed(golden["mixmatch/labels_x"])
        self.labelled, count = len(labels), len(labels) + len(stored["input_u"])
        given = torch.zeros(count, dtype=torch.int64)
        given[: self.labelled] = labels
        self.clean = torch.zeros(count, dtype=torch.float64, device=labels.device)
        self.clean[: self.labelled] = placed(golden["mixmatch/clean_prob_x"])
        self.everything = torch.arange(count, device=labels.device)
        self.inputs = [stored[f"input_{name}"] for name in ("x", "x2", "u", "u2")]
        self.drawn: list[float] = []

        def beta(alpha: float, beta: float) -> float:
            self.drawn += [alpha, beta]
            return float(golden["mixmatch/beta_drawn"])

        order = torch.from_numpy(golden["mixmatch/permutation"])
        draws = SimpleNamespace(beta=beta, permutation=lambda n: order[:n])
        self.views: list[Tensor] = []
        self.task = DivideMix()
        self.env: RecordedEnvironment = recorded(
            self.task,
            self.net,
            self.other,
            given=given,
            num_classes=int(golden["cfg/C"]),
            images=torch.zeros(count, 3, 4, 4, dtype=torch.uint8),
            views=self.views,
            draws={"dividemix/mix": draws},
        )

    def update(self, time: float) -> dict[str, Tensor]:
        self.views += self.inputs
        models = self.env.models
        self.task.turn = Turn(models["net1"], models["net2"], self.clean)
        sides = (self.everything[: self.labelled], self.everything[self.labelled :])
        return self.task.update(Step(MIXMATCH, tuple(Batch(side, 0) for side in sides), time), self.env.views)


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("case", [0, 1, 2])
def test_complete_step(golden: dict[str, np.ndarray], case: int, precision: str, tolerance: float) -> None:
    """The real task's update on the recorded logits: targets, mixing, losses and gradient."""
    prepared = Prepared(golden, precision)
    logs = prepared.update(float(golden[f"mixmatch/epoch{case}/epoch"]))
    assert prepared.drawn == [float(golden["cfg/alpha"])] * 2
    assert [training for _, training in prepared.net.asked] == [True] * 5
    assert [training for _, training in prepared.other.asked] == [False] * 2
    expected = below(golden, f"mixmatch/{precision}/epoch{case}")
    names = {
        "labelled_loss": "Lx",
        "unlabelled_loss": "Lu",
        "prior_penalty": "prior_penalty",
        "loss": "total",
    }
    for found, name in names.items():
        assert relative(logs[found], expected[name]) <= tolerance, name
    mixed = expected["grad_logits_mixed"]
    assert relative(prepared.net.gradient[-len(mixed) :], mixed) <= tolerance
    assert not prepared.net.gradient[: -len(mixed)].any(), "no gradient through a guess"
    assert not prepared.other.gradient.any()


# -------------------------------------------------------------------------------------------- schedules
def test_ramp(golden: dict[str, np.ndarray]) -> None:
    """The weight that the loss of each update gives to the unlabelled one."""
    prepared = Prepared(golden, "f64")
    found = []
    for time in golden["rampup/epoch"].tolist():
        logs = prepared.update(time)
        rest = logs["loss"] - logs["labelled_loss"] - logs["prior_penalty"]
        found.append(float(rest / logs["unlabelled_loss"]))
    assert relative(np.array(found), golden["rampup/value"]) <= 1e-9


def test_learning_rate(golden: dict[str, np.ndarray]) -> None:
    task = Prepared(golden, "f64").task
    rates = []
    for epoch in golden["lr/epoch"].tolist():
        task.begin_epoch(epoch)
        rates.append(task.sgd.param_groups[0]["lr"])
    assert relative(np.array(rates), golden["lr/lr"]) <= 1e-9
