"""ResNet-18 and ResNet-50 against published counts and against torchvision's networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from lpa3bench.nn.batchnorm import add_auxiliary
from lpa3bench_plugins.backbones.resnet import ResNet18, ResNet34, ResNet50


@pytest.mark.parametrize(
    ("network", "stem", "plain", "normalised_channels"),
    [
        (ResNet18, "cifar28", 11_173_449, 4_800),
        (ResNet50, "cifar28", 23_518_793, 26_560),
        (ResNet18, "imagenet224", 11_173_449 + 64 * 3 * (49 - 9), 4_800),
        (ResNet50, "imagenet224", 23_518_793 + 64 * 3 * (49 - 9), 26_560),
    ],
)
def test_parameter_count(network: Any, stem: str, plain: int, normalised_channels: int) -> None:
    model = network(num_classes=9, in_channels=3, stem=stem)
    assert sum(p.numel() for p in model.parameters()) == plain
    add_auxiliary(model)
    assert sum(p.numel() for p in model.parameters()) == plain + 2 * normalised_channels


def test_feature_shapes() -> None:
    features = ResNet18(num_classes=9, in_channels=1)(torch.rand(1, 1, 28, 28)).features
    assert [tuple(f.shape) for f in features] == [
        (1, 64, 28, 28),
        (1, 128, 14, 14),
        (1, 256, 7, 7),
        (1, 512, 4, 4),
    ]
    model = ResNet50(num_classes=9, in_channels=3, stem="imagenet224").eval()
    features = model(torch.rand(1, 3, 224, 224)).features
    assert [tuple(f.shape[1:]) for f in features] == [
        (256, 56, 56),
        (512, 28, 28),
        (1024, 14, 14),
        (2048, 7, 7),
    ]


@pytest.mark.parametrize("stem", ["cifar28", "imagenet224"])
@pytest.mark.parametrize(
    ("network", "theirs"),
    [(ResNet18, models.resnet18), (ResNet34, models.resnet34), (ResNet50, models.resnet50)],
    ids=["18", "34", "50"],
)
def test_equals_torchvision(network: Any, theirs: Callable[..., Any], stem: str) -> None:
    torch.manual_seed(0)
    reference = theirs(num_classes=9)
    if stem == "cifar28":
        reference.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        reference.maxpool = nn.Identity()
    reference.double()
    size = 28 if stem == "cifar28" else 96
    x = torch.randn(3, 3, size, size, dtype=torch.float64)
    reference.train()(x)  # statistics that are not the initial ones
    reference.eval()
    model = network(num_classes=9, in_channels=3, stem=stem).double().eval()
    pairs = zip(model.state_dict(), reference.state_dict().values(), strict=True)  # both in the order of use
    model.load_state_dict(dict(pairs))

    maps: list[Tensor] = []
    for layer in (reference.layer1, reference.layer2, reference.layer3, reference.layer4):
        layer.register_forward_hook(lambda _module, _inputs, output: maps.append(output))
    expected = reference(x)
    logits, features = model(x)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    for feature, other in zip(features, maps, strict=True):
        torch.testing.assert_close(feature, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("network", [ResNet18, ResNet50])
def test_refuses_an_unknown_stem(network: Any) -> None:
    with pytest.raises(ValueError, match=r"^stem: must be 'cifar28' or 'imagenet224', not 'cifar'"):
        network(num_classes=9, in_channels=3, stem="cifar")
