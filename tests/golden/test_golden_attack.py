"""LP-A3's search against the released implementation's trace (file A)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import (
    FIXMATCH_MOMENTUM,
    PES_MOMENTUM,
    below,
    golden_state,
    relative,
    small_network,
)
from support.recorded_draws import recorded, start_noise
from torch import Tensor

from lpa3bench import attack
from lpa3bench.nn.batchnorm import bn_domain
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.tasks.supervised import Supervised

CASES = (
    "fixmatch_nobn",
    "fixmatch_nobn_confident",
    "fixmatch_bn",
    "fixmatch_bn_subset",
    "pes_nobn",
    "pes_bn",
)
PER_ITERATION = {
    "loss": "loss",
    "distance": "lpips_per_sample",
    "logp": "logp_adv",
    "gap": "gap_per_sample",
    "grad_norm": "grad_norm",
    "probe_logp": "logp_probe",
    "rate": "probe_rate",
    "step_length": "step_length",
    "delta": "perturbation",
}


class Case:
    """One case in one precision: the network, the images, and the reference pass done."""

    def __init__(self, name: str, dtype: torch.dtype) -> None:
        with np.load(Path(__file__).parent / "A_lpa3_attack.npz") as archive:
            self.setting = below(archive, name)
        self.golden = below(self.setting, "f64" if dtype is torch.float64 else "f32")
        self.trace = below(self.golden, "iter")
        momentum = PES_MOMENTUM if name.startswith("pes") else FIXMATCH_MOMENTUM
        self.network = small_network(below(self.setting, "weights"), momentum=momentum, dtype=dtype)
        self.domain = "aux" if name.split("_")[1] == "bn" else "main"
        self.options = attack.Options(
            margin=float(self.setting["bound"]),
            iterations=int(self.setting["K"]),
            lam=float(self.setting["lam"]),
            temperature=float(self.setting["T"]),
        )
        mean, std = (placed(self.setting[key]).view(3, 1, 1).to(dtype) for key in ("mean", "std"))
        self.box = attack.Box.of(mean, std)
        self.z = self.tensor("x_norm")
        self.output = self.forward(self.z)
        self.whole = attack.make_reference(self.output, temperature=self.options.temperature)
        self.buffers_after_original = {k: v.copy() for k, v in golden_state(self.network).items()}
        rows = placed(self.setting["attack_mask"]).nonzero().squeeze(1)
        self.reference = self.whole.rows(rows)
        self.z = self.z[rows]
        self.begin = attack.begin(self.tensor("noise_drawn"), self.z, self.box)

    def tensor(self, name: str) -> Tensor:
        return placed(self.golden[name])

    def forward(self, z: Tensor) -> attack.Output:
        with bn_domain(self.network, self.domain):
            return self.network(z)

    def iterate(self, k: int, delta: Tensor) -> attack.Iteration:
        pace = self.options.schedule()[k]
        limits = self.box.around(self.z)
        return attack.iterate(
            self.forward, self.z, delta, self.reference, pace, limits=limits, options=self.options
        )

    def before(self, k: int) -> Tensor:
        """The golden δ that iteration k starts from."""
        return self.begin if k == 0 else placed(self.trace["perturbation"][k - 1])


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_reference_pass(name: str, dtype: torch.dtype) -> None:
    case = Case(name, dtype)
    tolerance = 1e-9 if dtype is torch.float64 else 1e-5
    assert relative(case.output.logits, case.golden["logits_original"]) <= tolerance
    assert case.whole.label.tolist() == case.golden["y"].tolist()
    assert relative(case.whole.logp, case.golden["logp_original"]) <= tolerance
    phi = torch.cat([layer.flatten(1) for layer in case.whole.phi], dim=1)
    stored = case.golden["phi_original"]  # all columns in float64, the first 64 in float32
    assert relative(phi[:, : stored.shape[1]], stored) <= tolerance
    moved = below(case.golden, "buffers_after_original")
    assert bool(moved) == (case.domain == "aux")
    for key, golden in moved.items():
        assert relative(case.buffers_after_original[key], golden) <= tolerance, key


def test_images_and_box_are_those_of_the_normalisation(name: str) -> None:
    case = Case(name, torch.float64)
    mean, std = (case.setting[key].reshape(3, 1, 1) for key in ("mean", "std"))
    x = case.setting["x_u8"].transpose(0, 3, 1, 2) / 255.0
    assert relative((x - mean) / std, case.golden["x_norm"]) <= 1e-12
    assert relative(case.box.lower, -mean / std) <= 1e-12
    assert relative(case.box.upper, (1 - mean) / std) <= 1e-12


def test_float64_whole_trace(name: str) -> None:
    case = Case(name, torch.float64)
    iterations = list(
        attack.trace(case.forward, case.z, case.begin, case.reference, box=case.box, options=case.options)
    )
    assert len(iterations) == int(case.setting["K"])
    paces = case.options.schedule()
    assert relative(np.array([pace.budget for pace in paces]), case.trace["step_size"]) <= 1e-15
    assert relative(np.array([pace.lam for pace in paces]), case.trace["lambda"]) <= 1e-15
    for ours, theirs in PER_ITERATION.items():
        found = torch.stack([getattr(iteration, ours) for iteration in iterations])
        assert relative(found, case.trace[theirs]) <= 1e-9, ours
    hinge = torch.stack([iteration.hinge.mean() for iteration in iterations])
    distance = torch.stack([iteration.distance.mean() for iteration in iterations])
    assert relative(hinge, case.trace["hinge_mean"]) <= 1e-9
    assert relative(distance, case.trace["lpips_mean"]) <= 1e-9
    assert (hinge > 0).sum() >= 2  # else the constraint would not be tested
    assert relative(case.z + iterations[-1].delta, case.golden["x_adv"]) <= 1e-9

    buffers = golden_state(case.network)
    final = below(case.golden, "buffers_final")
    assert bool(final) == (case.domain == "aux")
    for key, golden in final.items():  # of both BatchNorms: the main one must not have moved
        assert relative(buffers[key], golden) <= 1e-9, key
    if final:
        assert buffers["bn1_adv.num_batches_tracked"] == 1 + 2 * case.options.iterations
        assert buffers["bn1.num_batches_tracked"] == 0


def test_float64_search_ends_where_the_trace_does(name: str) -> None:
    case = Case(name, torch.float64)
    delta, last = attack.search(
        case.forward,
        case.z,
        case.tensor("noise_drawn"),
        case.reference,
        box=case.box,
        options=case.options,
    )
    assert relative(delta, case.trace["perturbation"][-1]) <= 1e-9
    assert last is not None
    assert torch.equal(last.delta, delta)


def test_float64_one_iteration_at_a_time(name: str) -> None:
    case = Case(name, torch.float64)
    for k in range(case.options.iterations):
        iteration = case.iterate(k, case.before(k))
        for ours, theirs in PER_ITERATION.items():
            found, golden = getattr(iteration, ours), case.trace[theirs][k]
            scale = max(1.0, case.trace["step_length"][k].max()) if ours == "delta" else 1.0
            assert relative(found, golden) <= 1e-10 * scale, (k, ours)


def test_float32_one_iteration_at_a_time(name: str) -> None:
    case = Case(name, torch.float32)
    compared = 0
    for k in range(case.options.iterations):
        iteration = case.iterate(k, case.before(k))
        golden = {key: values[k] for key, values in case.trace.items()}
        for ours in ("loss", "distance", "logp", "gap", "probe_logp"):
            assert relative(getattr(iteration, ours), golden[PER_ITERATION[ours]]) <= 1e-5, (k, ours)
        assert relative(iteration.hinge.mean(), golden["hinge_mean"]) <= 1e-5, k
        assert np.abs(iteration.grad_norm.cpu().numpy() / golden["grad_norm"] - 1).max() <= 1e-4, k
        rate = golden["probe_rate"]
        assert np.abs(iteration.rate.cpu().numpy() - rate).max() <= 2e-4, k
        length = golden["step_length"]
        off = np.abs(iteration.step_length.cpu().numpy() / length - 1) * (rate + 1e-4)
        assert off.max() <= 2e-4, k
        delta = np.abs(iteration.delta.cpu().numpy() - golden["perturbation"]).max((1, 2, 3)) / length
        steep = rate >= 0.01  # on a flat image the step's length is rounding times 10,000
        assert (delta[steep] <= 5e-3).all(), k
        compared += int(steep.sum())
    assert compared > 0 or name.endswith("confident")  # there every image is flat


def test_float64_plugin_end_to_end(name: str) -> None:
    """The augmenter itself, from byte images to x', selecting the rows that the golden case attacks."""
    case = Case(name, torch.float64)
    mask, temperature = placed(case.setting["attack_mask"]), float(case.setting["T"])
    lpa3 = LPA3(
        margin=float(case.setting["bound"]),
        iterations=int(case.setting["K"]),
        lam=float(case.setting["lam"]),
        temperature=temperature,
        ratio=float(mask.double().mean()),
    )
    momentum = PES_MOMENTUM if name.startswith("pes") else FIXMATCH_MOMENTUM
    network = small_network(below(case.setting, "weights"), momentum=momentum, dtype=torch.float64)
    x = placed(case.setting["x_u8"]).permute(0, 3, 1, 2)
    env = recorded(
        Supervised(),
        network,
        given=torch.zeros(len(x), dtype=torch.int64),
        num_classes=10,
        images=x.cpu(),
        draws={"augment/positives/net": start_noise(case.tensor("noise_drawn"))},
        normalisation=(case.setting["mean"], case.setting["std"]),
        slots={"positives": lpa3},
    )
    bank = env.views.state_dict()["augmenters"]["positives/net"]["bank"]
    if bank is not None:
        bank["scores"][mask] = -1.0
    model, index = env.models["net"], torch.arange(len(x), device=DEVICE)
    view = env.views("positives", model, x.double() / 255, index=index, target=None)
    assert view is not None
    assert view.rows.tolist() == mask.nonzero().squeeze(1).tolist()
    assert view.domain == "aux"
    assert relative(model.normalise(view.x), case.golden["x_adv"]) <= 1e-9
    assert relative(view.info["distance"], case.trace["lpips_mean"][-1]) <= 1e-9
    assert relative(view.info["logp_drop"], case.trace["gap_per_sample"][-1].mean()) <= 1e-9
    assert view.info["selected"] == float(mask.double().mean())
    if bank is not None:
        seen = torch.from_numpy(case.golden["logits_original"] / temperature).softmax(1)
        assert relative(bank["probabilities"], seen.numpy()) <= 1e-6
    state = golden_state(network)
    for key, golden in below(case.golden, "buffers_final").items():
        assert relative(state[key], golden) <= 1e-9, key
