"""timm's networks as backbones, where timm is installed, and one clear line where it is not."""

from __future__ import annotations

import copy
import sys
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lpa3bench import testing
from lpa3bench.errors import PluginError
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain
from lpa3bench_plugins.backbones.timmnet import TimmNet


@pytest.fixture
def _timm() -> None:
    pytest.importorskip("timm", reason="timm is not installed; pip install 'lpa3bench[timm]'")


def images(channels: int = 3, count: int = 2) -> Tensor:
    return torch.randn(count, channels, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.usefixtures("_timm")
@pytest.mark.parametrize(
    ("arch", "taps"),
    [
        ("resnet18", ("act1", "layer1", "layer2", "layer3", "layer4")),
        ("convnext_atto", ("stages.0", "stages.1", "stages.2", "norm_pre")),
        ("mobilenetv3_small_050", ("bn1", "blocks.0", "blocks.1", "blocks.3", "blocks")),
        ("regnetx_002", ("stem", "s1", "s2", "s3", "final_conv")),
    ],
)
def test_families(arch: str, taps: tuple[str, ...]) -> None:
    net = TimmNet(num_classes=5, in_channels=1, arch=arch)
    assert net.taps == taps
    logits, features = net(images(1))
    assert logits.shape == (2, 5)
    sides = [feature.shape[2] for feature in features]
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] == 2
    stages = net.stages()
    held = [id(p) for stage in stages for p in stage.parameters()]
    assert sorted(held) == sorted(id(p) for p in net.parameters())
    assert isinstance(stages[-1], nn.Linear)


@pytest.mark.usefixtures("_timm")
@pytest.mark.parametrize(
    ("arch", "options", "shapes"),
    [
        ("test_vit", {"image_size": 64}, [(64, 17, 1)] * 4),  # tokens
        (
            "swin_tiny_patch4_window7_224",
            {"image_size": 64},
            [(96 * 2**i, 16 // 2**i, 16 // 2**i) for i in range(4)],
        ),
        ("convnext_atto", {"image_size": 64}, [(40, 16, 16), (80, 8, 8), (160, 4, 4), (320, 2, 2)]),
        (
            "hiera_tiny_224",
            {"image_size": 224, "layers": ("blocks.0", "blocks.11")},
            [(96, 3136, 1), (768, 49, 1)],
        ),
    ],
)
def test_transformers(arch: str, options: dict[str, Any], shapes: list[tuple[int, ...]]) -> None:
    side = options["image_size"]
    with torch.device("meta"):
        net = TimmNet(num_classes=5, in_channels=3, arch=arch, **options).eval()
        output = net(torch.zeros(2, 3, side, side))
    assert [tuple(f.shape[1:]) for f in output.features] == shapes
    held = [id(p) for stage in net.stages() for p in stage.parameters()]
    assert sorted(held) == sorted(id(p) for p in net.parameters())


@pytest.mark.usefixtures("_timm")
def test_a_small_transformer_keeps_the_laws() -> None:
    """Those of all backbones, on its images of 32 pixels."""
    testing.check_backbone(partial(TimmNet, arch="test_vit", image_size=32))


@pytest.mark.usefixtures("_timm")
def test_is_timms_own_network() -> None:
    import timm

    torch.manual_seed(3)
    own = timm.create_model("resnet18", num_classes=7).eval()
    torch.manual_seed(3)
    net = TimmNet(num_classes=7, in_channels=3).eval()
    testing.assert_same(dict(own.state_dict()), dict(net.network.state_dict()))
    x = images()
    assert torch.equal(net(x).logits, own(x))
    assert torch.equal(net(x).features[-1], own.forward_features(x))


@pytest.mark.usefixtures("_timm")
def test_batchnorm_that_holds_its_activation_has_an_auxiliary_one_too() -> None:
    net = TimmNet(num_classes=5, in_channels=3, arch="mobilenetv3_small_050")
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert type(norms[0]) is not nn.BatchNorm2d
    assert add_auxiliary(net) == len(norms)
    twin = copy.deepcopy(net)
    x = images(count=4)
    main = net(x).features
    with bn_domain(twin, "aux"):
        aux = twin(x).features
    assert all(torch.equal(a, b) for a, b in zip(main, aux, strict=True))
    assert twin.network.bn1.num_batches_tracked == 0
    assert twin.network.bn1.aux.num_batches_tracked == 1


@pytest.mark.usefixtures("_timm")
@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("resnet19", "^arch: must be a model of timm, not 'resnet19'; did you mean resnet1"),
        ("hf_hub:timm/resnet18.a1_in1k", "^arch: must be a model of timm, not 'hf_hub:"),
        ("vit_tiny_patch16_224", "^arch: VisionTransformer refuses an image of 128 pixels"),
        ("resnetv2_50", "^arch: the logits of ResNetV2 are not the output of an nn.Linear"),
    ],
)
def test_refuses_what_it_cannot_adapt(arch: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TimmNet(num_classes=5, in_channels=3, arch=arch)


def test_says_how_to_install_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(PluginError, match=r"^TimmNet needs timm; pip install 'lpa3bench\[timm\]'$"):
        TimmNet(num_classes=5, in_channels=3)
