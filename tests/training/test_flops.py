"""Floating-point operations are counted whatever is differentiated by what; every shipped overlay trains."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from support.small_trained import FIXMATCH, SUPERVISED, train
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lpa3bench.records import read_record
from lpa3bench.runtime.compiler_import import spare_compiler_import
from lpa3bench.runtime.paths import gin_root
from lpa3bench.training.flops import flop_counter

OVERLAYS = sorted((gin_root() / "augmenters").glob("*.gin"))
ONE_EPOCH = ("Synthetic.size=16", "Synthetic.train=32", "run.epochs=1")


def test_counts_are_those_of_torch() -> None:
    spare_compiler_import()
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 5)), torch.ones(2, 3, 8, 8)
    counted = []
    for counter in (FlopCounterMode(display=False), flop_counter()):
        with counter:
            net(x).sum().backward()
        counted.append(counter.get_total_flops())
    assert counted[0] == counted[1] > 0


def test_the_gradient_to_an_image_that_is_a_leaf_is_counted() -> None:
    """As a search usually asks for it; 2 x 10 x 4 operations each way, which torch's own counter refuses."""
    net, x = nn.Linear(10, 4, bias=False), torch.ones(1, 10, requires_grad=True)
    with flop_counter() as counter:
        (gradient,) = torch.autograd.grad(net(x).sum(), x)
    assert torch.equal(gradient, net.weight.sum(0, keepdim=True))
    assert counter.get_total_flops() == 2 * (2 * 10 * 4)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_every_overlay_trains(overlay: Path, tmp_path: Path) -> None:
    """From the first step on, in the loop that counts and guards."""
    task = FIXMATCH if re.search(r"^run\.strong =", overlay.read_text(), re.MULTILINE) else SUPERVISED
    record = read_record(train(tmp_path, task, overlay, bindings=ONE_EPOCH) / "result.json")
    assert len(record.curve) == 1
    assert all(flops > 0 for flops in record.data.cost.flops_of_first_step.values())
