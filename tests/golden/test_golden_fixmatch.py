"""FixMatch, with and without LP-A3, against the released implementation (files C)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.golden_files import DEVICE, placed
from support.golden_network import FIXMATCH_MOMENTUM, below, golden_state, our_name, relative, small_network
from support.recorded_draws import Checked, RecordedEnvironment
from torch import Tensor, nn

from lpa3bench.api import DatasetSpec, Step, TrainLabels, WeakView
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.data.sampler import Batch
from lpa3bench.nn.bank import ConsistencyBank
from lpa3bench.nn.ema import EMA
from lpa3bench.ops import probabilities
from lpa3bench_plugins.labels import released
from lpa3bench_plugins.tasks import fixmatch
from lpa3bench_plugins.tasks.fixmatch import TRAIN, FixMatch

PRECISIONS = [("f64", 1e-9), ("f32", 2e-6)]


def read(name: str) -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name(name)) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return read("C_fixmatch.npz")


@pytest.fixture(scope="module")
def step_golden() -> dict[str, np.ndarray]:
    return below(read("C_fixmatch_lpa3_step.npz"), "step")


# ------------------------------------------------------------------------------------------ pure functions
@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("case", [0, 1])
def test_losses(golden: dict[str, np.ndarray], case: int, precision: str, tolerance: float) -> None:
    cfg = below(golden, f"loss/case{case}")
    stored = below(cfg, precision)
    x, strong, hard = (
        placed(stored[f"logits_{name}"]).requires_grad_() for name in ("x", "u_strong", "lpa3")
    )
    guess = probabilities(placed(stored["logits_u_weak"]) / float(cfg["T"]))
    assert relative(guess.max(1).values, stored["pseudo_conf"]) <= tolerance
    assert guess.argmax(1).tolist() == stored["pseudo_label"].tolist()

    labelled = F.cross_entropy(x, placed(cfg["targets_x"]))
    unlabelled, confident = fixmatch.confident_cross_entropy(strong, guess, float(cfg["threshold"]))
    chosen = guess[placed(cfg["selected_mask"])]
    added, clear = fixmatch.confident_cross_entropy(hard, chosen, float(cfg["threshold_lpa3"]))
    plain = labelled + float(cfg["lambda_u"]) * unlabelled
    for found, name in ((labelled, "Lx"), (unlabelled, "Lu"), (plain, "loss_fixmatch"), (added, "L_lpa3")):
        assert relative(found, stored[name]) <= tolerance, name
    # The LP-A3 script gives all three terms weight one, whatever lambda_u is.
    assert relative(labelled + unlabelled + added, stored["loss_lpa3_total"]) <= tolerance
    for share, name in ((confident, "mask"), (clear, "lpa3_mask")):
        assert float(share) == pytest.approx(float(stored[name].mean()), abs=1e-7), name
    gradients = torch.autograd.grad(plain + added, (x, strong, hard))
    for gradient, name in zip(gradients, ("x", "u_strong", "lpa3"), strict=True):
        assert relative(gradient, stored[f"grad_logits_{name}"]) <= tolerance, name


@pytest.mark.parametrize("case", [0, 1, 2])
def test_learning_rate(golden: dict[str, np.ndarray], case: int) -> None:
    stored = below(golden, f"lr/case{case}")
    total, base, warmup = (stored[name].item() for name in ("total_steps", "base_lr", "warmup_steps"))
    rates = [fixmatch.learning_rate(step, total, base, warmup) for step in stored["step"].tolist()]
    assert relative(np.array(rates), stored["lr"]) <= 1e-9


def test_weight_decay(golden: dict[str, np.ndarray]) -> None:
    names = golden["weight_decay/name"].tolist()
    assert [fixmatch.decays(name) for name in names] == golden["weight_decay/decayed"].tolist()


class Recorded(nn.Module):
    """Two parameters and two buffers, as the golden model has them."""

    def __init__(self, w: Tensor, b: Tensor, run: Tensor) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(w), nn.Parameter(b)
        self.register_buffer("run", run)
        self.register_buffer("cnt", torch.tensor(0, device=DEVICE))


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
def test_average(golden: dict[str, np.ndarray], precision: str, tolerance: float) -> None:
    stored = below(golden, f"ema/{precision}")
    model: Any = Recorded(**{name: placed(value) for name, value in below(stored, "initial").items()})
    average = EMA(model, float(golden["ema/decay"]))
    trained, expected = below(stored, "model"), below(stored, "ema")
    for step in range(len(trained["cnt"])):
        model.load_state_dict({name: torch.as_tensor(values[step]) for name, values in trained.items()})
        average.update()
        for name, value in average.state_dict().items():
            assert relative(value, expected[name][step]) <= tolerance, (name, step)


@pytest.mark.parametrize("case", [0, 1, 2])
def test_labelled_split(golden: dict[str, np.ndarray], case: int) -> None:
    """Ours draws other images (one split for all methods), but as many, and repeats them by the same rule."""
    stored = below(golden, f"split/case{case}")
    cfg = {name: value.item() for name, value in stored.items() if value.ndim == 0}
    count, fills = cfg["num_labeled"], cfg["batch_size"] * cfg["eval_step"]
    found = released.fixmatch(
        stored["labels"],
        count,
        num_classes=cfg["num_classes"],
        batch_size=cfg["batch_size"],
        steps_per_epoch=cfg["eval_step"],
        expand=cfg["expand"],
        seed=cfg["numpy_seed"],
    )
    np.testing.assert_array_equal(found, stored["labeled_idx"])
    unique = stored["unique_labeled_idx_sorted"]
    np.testing.assert_array_equal(np.unique(found), unique)
    if cfg["expand"] or count < cfg["batch_size"]:
        ours = fixmatch.repeated_rows(placed(unique), fills)
        np.testing.assert_array_equal(ours.sort().values.cpu().numpy(), np.sort(found))
    np.testing.assert_array_equal(stored["unlabeled_idx"], np.arange(len(stored["labels"])))


# ------------------------------------------------------------------------------------------ complete step
class RecordedNoise:
    """The noise that the golden search starts from."""

    def __init__(self, noise: np.ndarray, dtype: torch.dtype) -> None:
        self.noise = placed(noise).to(dtype)

    def uniform(self, size: Any, low: float, high: float, *, like: Tensor) -> Tensor:
        assert (low, high) == (-0.01, 0.01)
        assert self.noise.shape == torch.Size(size)
        return self.noise

    def permutation(self, n: int) -> Tensor:
        return torch.arange(n)


class WithMemory(Checked):
    """LP-A3 with the golden memory, in the precision of the run."""

    golden: dict[str, np.ndarray]
    memory: ConsistencyBank

    def setup(self, env: Any) -> None:
        before = {name: placed(self.golden[f"memory_{name}_before"]) for name in ("prob", "tcs")}
        bank = ConsistencyBank(*before["prob"].shape, dtype=self.stored.dtype, device=DEVICE)
        threshold = placed(self.golden["tcs_threshold"])
        bank.load_state_dict(
            {"probabilities": before["prob"], "scores": before["tcs"], "threshold": threshold}
        )
        self.bank = bank


class Keeping(RecordedEnvironment):
    """Keeps the gradients of the last backward pass."""

    def backward(self, loss: Tensor) -> None:
        super().backward(loss)
        # Nesterov momentum by foreach adds the momentum to them in place.
        named = self.models["net"].backbone.named_parameters()
        self.gradients = {name: p.grad.clone() for name, p in named if p.grad is not None}


def one_step(golden: dict[str, np.ndarray], precision: str) -> SimpleNamespace:
    """One update of the real task at the golden step's state."""
    dtype = torch.float64 if precision == "f64" else torch.float32
    cfg = {name: value.item() for name, value in below(golden, "cfg").items() if value.ndim == 0}
    images = [
        placed(golden[f"{name}_u8"]).permute(0, 3, 1, 2).to(dtype) / 255
        for name in ("labeled", "weak", "strong")
    ]
    network = small_network(below(golden, "initial"), momentum=FIXMATCH_MOMENTUM, dtype=dtype)
    spec = DatasetSpec(
        name="golden",
        num_classes=10,
        channels=3,
        size=14,
        mean=tuple(golden["cfg/mean"].tolist()),
        std=tuple(golden["cfg/std"].tolist()),
        weak=WeakView(flip=False, pad=0),
    )
    attack = WithMemory(
        margin=cfg["bound"], lam=cfg["lam"], iterations=cfg["K"], temperature=cfg["T"], select="dataset"
    )
    attack.golden, attack.stored = golden, placed(golden[f"{precision}/x_adv"])
    task = FixMatch(
        batch_size=cfg["labelled_batch"],
        mu=cfg["mu"],
        steps_per_epoch=cfg["total_steps"],
        lr=cfg["lr"],
        momentum=cfg["nesterov_momentum"],
        weight_decay=cfg["weight_decay"],
        temperature=cfg["T"],
        threshold=cfg["threshold"],
        positives_threshold=cfg["threshold_lpa3"],
        ema_decay=cfg["ema_decay"],
    )
    experiment = Experiment(
        task=task,
        dataset=SimpleNamespace(spec=spec),
        backbone=lambda **_: network,
        epochs=1,
        positives=attack,
        precision="float32",
    )
    memory, targets = len(golden["memory_tcs_before"]), placed(golden["targets_x"])
    count = memory + len(targets)  # the labelled images come after those that the memory knows
    everything = torch.arange(count, device=DEVICE)
    labels = TrainLabels(torch.zeros_like(everything), everything >= memory)
    labels.given[memory:] = targets
    env = Keeping(
        experiment,
        images,
        RecordedNoise(golden["attack_noise"], dtype),
        spec=spec,
        store=ImageStore(torch.zeros(count, 3, 14, 14, dtype=torch.uint8), spec.weak, DEVICE),
        labels=labels,
        seed=0,
        device=DEVICE,
    )
    task.setup(env)
    batches = Batch(everything[memory:], 0), Batch(placed(golden["index"]), 0)
    logs = task.update(Step(TRAIN, batches, 0.0), env.views)
    average: Any = task.ema.model
    return SimpleNamespace(
        logs=logs,
        gradients=env.gradients,
        network=network,
        average=average.backbone,
        memory=env.views.state_dict()["augmenters"]["positives/net"]["bank"],
    )


@pytest.mark.parametrize(("precision", "tolerance"), [("f64", 1e-9), ("f32", 1e-5)])
def test_complete_step(step_golden: dict[str, np.ndarray], precision: str, tolerance: float) -> None:
    done, expected = one_step(step_golden, precision), below(step_golden, precision)
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


def test_gradients_of_the_complete_step(step_golden: dict[str, np.ndarray]) -> None:
    gradients = one_step(step_golden, "f64").gradients
    expected = below(step_golden, "f64/grad")
    assert {our_name(name) for name in expected} == set(gradients)
    for name, value in expected.items():
        assert relative(gradients[our_name(name)], value) <= 1e-9, name
