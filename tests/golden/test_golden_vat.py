"""VAT against semilearn's code (file M): the direction, its divergence and what that trains.

The other release in the file, lyakaap's, adds 1e-8 to lengths where this one adds 1e-16; its cases are not of
this flavour.
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

from lpa3bench_plugins.augmenters.vat import VAT
from lpa3bench_plugins.tasks.supervised import Supervised

TOLERANCE = {"semilearn_nobn": 1e-5, "semilearn_bn": 1e-5, "semilearn_lds_only": 1e-8}
"""Of the direction: at ξ = 1e-6 even float64 rounds."""
MIDDLE, WIDE = 0.5, 1 / 40
"""Mean and deviation at which no view of these cases touches the edge of [0, 1]."""


@pytest.mark.parametrize("name", TOLERANCE)
def test_float64_direction_divergence_and_gradient(name: str) -> None:
    with np.load(Path(__file__).parent / "M_vat.npz") as stored:
        golden = below(stored, name)
    config = below(golden, "cfg")
    initial = below(golden, "initial")
    unused = {key.replace(".", "_adv.", 1): initial[key] for key in initial if key.startswith("bn")}
    network = small_network(initial | unused, momentum=0.1, dtype=torch.float64)
    vat = VAT(
        radius=float(config["eps"]),
        iterations=int(config["iterations"]),
        probe=float(config["xi"]),
        target="prediction",
    )

    def normal(size: Any, *, like: Tensor) -> Tensor:
        assert golden["start_direction"].shape == tuple(size)
        return placed(golden["start_direction"])

    z = placed(golden["x_u"])
    env = recorded(
        Supervised(),
        network,
        given=torch.zeros(len(z), dtype=torch.int64),
        num_classes=len(golden["initial/head.bias"]),
        draws={"augment/positives/net": SimpleNamespace(normal=normal)},
        normalisation=((MIDDLE,) * 3, (WIDE,) * 3),
        slots={"positives": vat},
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

    # The task's loss on the views is the divergence and the prediction's entropy, a constant.
    logits = env.logits(model, view.x).logits
    entropy = -(view.target * view.target.clamp_min(1e-300).log()).sum(1).mean()
    divergence = F.cross_entropy(logits, view.target) - entropy
    assert relative(divergence, golden["lds"]) <= max(1e-6, TOLERANCE[name])
    if name == "semilearn_lds_only":
        divergence.backward()
        for key, parameter in network.named_parameters():
            assert parameter.grad is not None
            assert relative(parameter.grad, golden[f"grad/{key}"]) <= 1e-8, key
    assert DEVICE.type == view.x.device.type
