"""Floors of a step: the counts behind them, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from gpu_parts import cells
from gpu_parts.floors import Ceilings, floor, image_cost
from gpu_parts.steps import undisturbed
from torch import nn

from lpa3bench.config.experiment import Experiment
from lpa3bench_plugins.backbones.preactresnet import PreActResNet18
from lpa3bench_plugins.backbones.smallnet import SmallNet
from lpa3bench_plugins.backbones.wideresnet import WideResNet

H100 = Ceilings(copy=3.0e12, product=798e12)
FIXMATCH_LPA3 = 448 + 15 * 403 + 3 * (64 + 2 * 448) + 3 * 403
"""Reference pass, five iterations of three, the task's passes, and those over the views."""


def test_a_layer_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()).train()
    cost = image_cost(network, channels=3, size=10)
    assert cost.flops == 2 * 9 * 3 * 8 * 100
    assert cost.convolutions == 1
    assert cost.bytes == 2 * (300 + 800 + 3 * 800)
    assert cost.fused_bytes == 2 * (300 + 800 + 800)
    assert network.training
    norm: Any = network[1]
    assert int(norm.num_batches_tracked) == 0
    assert not any(module._forward_hooks for module in network.modules())


def test_layers_that_are_not_called_do_not_count() -> None:
    """The PyTorch port of WideResNet has two BatchNorms that it never uses."""
    port, google = (
        image_cost(WideResNet(num_classes=10, in_channels=3, tf_preact=tf), channels=3, size=32)
        for tf in (False, True)
    )
    unused = 32 * 32 * 32 + 64 * 16 * 16
    assert google.bytes - port.bytes == 2 * 3 * unused
    assert google.flops == port.flops


@pytest.mark.parametrize(
    ("network", "flops", "milliseconds"),
    [
        (partial(WideResNet, tf_preact=True), 0.429e9, (5.7, 17.6, 10.9)),
        (partial(WideResNet, tf_preact=True, widen=8), 6.72e9, (89, 68, 42)),
        (PreActResNet18, 1.111e9, (14.7, 22, 13.4)),
    ],
    ids=["WRN-28-2", "WRN-28-8", "PreActResNet18"],
)
def test_fixmatch_with_lpa3_on_paper(network: Any, flops: float, milliseconds: tuple[float, ...]) -> None:
    """The full batch, 64 labelled and twice 448 images, at the ceilings of an H100."""
    assert FIXMATCH_LPA3 == 10_582
    cost = image_cost(network(num_classes=10, in_channels=3), channels=3, size=32)
    assert cost.flops == pytest.approx(flops, rel=2e-3)
    least = floor(cost, FIXMATCH_LPA3, H100)
    assert [1e3 * seconds for seconds in least] == pytest.approx(milliseconds, rel=0.01)
    assert least.seconds == max(least.flops, least.bytes)
    assert least.bound == ("flops" if least.flops > least.bytes else "bytes")


def test_convolutions_of_a_wide_resnet() -> None:
    assert image_cost(WideResNet(num_classes=10, in_channels=3), channels=3, size=32).convolutions == 28


def _tiny(made: Experiment) -> Experiment:
    return replace(made, backbone=partial(SmallNet, width=1))


@pytest.mark.parametrize(
    ("config", "plain", "lpa3"),
    [
        ("cifar10_fixmatch", 3 * 960, FIXMATCH_LPA3),
        ("cifar100_pes", 896, 3328),
        ("cifar10_dividemix", 1152, 3368),
    ],
)
def test_image_forwards_of_a_published_step(config: str, plain: int, lpa3: int) -> None:
    """Counted by the engine in a real step at the full batch, as the heads of the config files have it."""
    (cell,) = (cell for cell in cells.one_of_each_task() if cell.config == config)
    for arm, expected in ((cells.NONE, plain), (cells.LPA3, lpa3)):
        made = cells.stage(cell, arm, torch.device("cpu"), toy=False, images=512, change=_tiny)
        assert undisturbed(made, made.forwards) == expected, arm
