"""VAT against semilearn's code and lyakaap's (file M): the direction, its divergence and what that trains.

lyakaap's adds 1e-8 to lengths, where semilearn's, and ours, add 1e-16; its directions are ξ times as long
then. The main running statistics move in its pass for the prediction; they do not here.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.golden_files import DEVICE, placed
from support.golden_network import below, golden_state, relative, small_network
from support.recorded_draws import recorded
from torch import Tensor

from lpa3bench_plugins.augmenters import vat
from lpa3bench_plugins.augmenters.vat import VAT
from lpa3bench_plugins.tasks.supervised import Supervised

TOLERANCE = {
    "semilearn_nobn": 1e-5,
    "semilearn_bn": 1e-5,
    "semilearn_lds_only": 1e-8,
    "lyakaap_nobn": 1e-9,
    "lyakaap_bn_2_iterations": 1e-9,
}
"""Of the direction: at ξ = 1e-6 even float64 rounds."""
MIDDLE, WIDE = 0.5, 1 / 40
"""Mean and deviation at which no view of these cases touches the edge of [0, 1]."""


@pytest.mark.parametrize("name", TOLERANCE)
def test_float64_direction_divergence_and_gradient(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with np.load(Path(__file__).parent / "M_vat.npz") as stored:
        golden = below(stored, name)
    config = below(golden, "cfg")
    longer = 1.0
    if name.startswith("lyakaap"):
        longer = float(config["xi"])
        monkeypatch.setattr(vat, "LENGTH_EPSILON", 1e-8 / longer)
    initial = below(golden, "initial")
    unused = {key.replace(".", "_adv.", 1): initial[key] for key in initial if key.startswith("bn")}
    network = small_network(initial | unused, momentum=0.1, dtype=torch.float64)
    augmenter = VAT(
        radius=float(config["eps"]),
        iterations=int(config["iterations"]),
        probe=float(config["xi"]),
        target="prediction",
    )

    def normal(size: Any, *, like: Tensor) -> Tensor:
        assert golden["start_direction"].shape == tuple(size)
        return placed(golden["start_direction"]) / longer

    z = placed(golden["x_u"])
    env = recorded(
        Supervised(),
        network,
        given=torch.zeros(len(z), dtype=torch.int64),
        num_classes=len(golden["initial/head.bias"]),
        draws={"augment/positives/net": SimpleNamespace(normal=normal)},
        normalisation=((MIDDLE,) * 3, (WIDE,) * 3),
        slots={"positives": augmenter},
    )
    before = golden_state(network)
    before = {key: value.copy() for key, value in before.items()}
    model = env.models["net"]
    view = env.views("positives", model, z * model.std + model.mean, index=None, target=None)
    assert view is not None
    assert view.target is not None
    assert relative(model.normalise(view.x) - z, golden["r_adv"]) <= TOLERANCE[name]
    for key, value in golden_state(network).items():
        assert np.array_equal(value, before[key]), key

    assert DEVICE.type == view.x.device.type
    # The task's loss on the views is the divergence and the prediction's entropy, a constant.
    logits = env.logits(model, view.x).logits
    entropy = -(view.target * view.target.clamp_min(1e-300).log()).sum(1).mean()
    divergence = F.cross_entropy(logits, view.target) - entropy
    assert relative(divergence, golden["lds"]) <= min(1e-6, TOLERANCE[name])
    if "loss_sup" in golden:  # the recorded gradient is of more than the views
        return
    divergence.backward()
    for key, recorded_gradient in below(golden, "grad").items():
        gradient = network.get_parameter(key).grad
        assert gradient is not None
        assert relative(gradient, recorded_gradient) <= TOLERANCE[name], key
