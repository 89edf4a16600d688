"""PGD and AdvProp against a re-implementation's iterates and training steps (file N)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import below, golden_state, relative, small_network
from support.recorded_draws import recorded
from torch import Tensor

from lpa3bench_plugins.augmenters.pgd import PGD
from lpa3bench_plugins.tasks.supervised import Supervised

CASES = ("targeted_pgd5", "targeted_pgd1", "untargeted_pgd3")
MOMENTUM = 0.1
"""Of both BatchNorms, in this release."""
HALF = (0.5, 0.5, 0.5)
"""Images of −1 … 1."""


def archive(name: str) -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "N_advprop.npz") as stored:
        return below(stored, name)


class Drawn:
    """The recorded draws of one step: whether there is noise, the noise, which labels to move to."""

    def __init__(self, step: dict[str, np.ndarray], classes: int, radius: float) -> None:
        self.step, self.classes, self.radius = step, classes, radius

    def uniform(self, size: Any, low: float = 0, high: float = 1, *, like: Tensor | None = None) -> Tensor:
        if like is None:
            return torch.full(size, 1.0 - float(self.step["noise_used"]))  # below 0.5 where there is noise
        assert (low, high) == pytest.approx((-self.radius, self.radius))
        noise = placed(self.step["start_noise"]) / 2  # of images of 0 … 1
        assert noise.shape == torch.Size(size)
        return noise

    def integers(self, size: Any, low: int, high: int) -> Tensor:
        assert (low, high) == (1, self.classes)
        return torch.from_numpy(self.step["attack_label"] - self.step["targets"]) % self.classes


@pytest.mark.parametrize("name", CASES)
def test_float64_iterates_and_whole_steps(name: str) -> None:
    golden = archive(name)
    config = below(golden, "cfg")
    classes = int(config["num_classes"])
    pgd = PGD(
        epsilon=float(config["epsilon_levels"]),
        step_size=float(config["step_levels_asked"]),
        iterations=int(config["iterations"]),
        noise=0.5,
        aim="target" if config["targeted"] else "away",
        domain="aux",
    )
    assert 2 * pgd.step_size == pytest.approx(float(config["step"]), rel=1e-15)
    network = small_network(below(golden, "initial"), momentum=MOMENTUM, dtype=torch.float64)
    for i in (1, 2, 3):
        getattr(network, f"bn{i}").aux.momentum = MOMENTUM
    steps = [below(golden, f"step{i}") for i in range(int(config["steps"]))]
    images = torch.from_numpy(np.concatenate([step["x_u8"] for step in steps]))
    given = torch.from_numpy(np.concatenate([step["targets"] for step in steps]))
    batch = len(steps[0]["targets"])
    drawn = Drawn(steps[0], classes, pgd.radius)
    # The release takes the mean of both losses and this task their sum: half the rate trains the same.
    task = Supervised(
        optimizer="sgd", lr=float(config["lr"]) / 2, momentum=float(config["momentum"]), milestones=()
    )
    env = recorded(
        task,
        network,
        given=given,
        num_classes=classes,
        images=images,
        draws={"augment/positives/net": drawn},
        normalisation=(HALF, HALF),
        slots={"positives": pgd},
        views=[images[i : i + batch].double().to(DEVICE) / 255 for i in range(0, len(images), batch)],
    )
    task.begin_epoch(0)
    inputs: list[Tensor] = []
    for i, step in enumerate(steps):
        drawn.step = step
        inputs.clear()
        look = network.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach().clone()))
        index = torch.arange(i * batch, (i + 1) * batch, device=DEVICE)
        fake = SimpleNamespace(phase="train", batches=(SimpleNamespace(index=index, pass_no=0),), time=0.0)
        logs = task.update(fake, env.views)  # type: ignore[arg-type]
        look.remove()
        iterates, clean, view = inputs[:-2], inputs[-2], inputs[-1]
        assert relative(clean, 2 * step["x_u8"].astype(np.float64) / 255 - 1) <= 1e-12
        assert relative(torch.stack(iterates), step["adv_iterates"]) <= 1e-12
        assert relative(view, step["x_adv"]) <= 1e-12
        assert relative(logs["loss"], step["loss_main"] + step["loss_aux"]) <= 1e-9
        assert relative(logs["positives_loss"], step["loss_aux"]) <= 1e-9
        for key, gradient in below(step, "grad").items():
            ours = key.replace("_adv.", ".aux.")
            assert relative(env.gradients[ours], 2 * gradient) <= 1e-9, key
        state = golden_state(network)
        for key, value in below(step, "after").items():
            assert relative(state[key], value) <= 1e-9, key
