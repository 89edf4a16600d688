"""torchvision's networks as backbones. The laws that all backbones share are the contract tests'."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from lpa3bench import testing
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain
from lpa3bench_plugins.backbones.torchvisionnet import TorchvisionNet

# Family by family: where the features come from, and how many stages there are.
FAMILIES = {
    "resnet18": (("relu", "layer1", "layer2", "layer3", "layer4"), 7),
    "densenet121": (
        ("features.relu0", *(f"features.transition{i}.conv" for i in (1, 2, 3)), "features"),
        14,
    ),
    "mobilenet_v3_small": (("features.0", "features.1", "features.3", "features.8", "features"), 15),
    "shufflenet_v2_x0_5": (("conv1", "maxpool", "stage2", "stage3", "conv5"), 6),
    "regnet_x_400mf": (("stem", *(f"trunk_output.block{i}" for i in (1, 2, 3)), "trunk_output"), 6),
    "efficientnet_b0": (("features.1", "features.2", "features.3", "features.5", "features"), 10),
    "convnext_tiny": (("features.2.0", "features.4.0", "features.6.0", "features"), 13),
}


def images(channels: int = 3, count: int = 2, side: int = 64) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("arch", FAMILIES)
def test_families(arch: str) -> None:
    net = TorchvisionNet(num_classes=5, in_channels=3, arch=arch)
    taps, parts = FAMILIES[arch]
    assert (net.taps, len(net.parts)) == (taps, parts)
    logits, features = net(images())
    assert logits.shape == (2, 5)
    sides = [feature.shape[2] for feature in features]
    assert sides == sorted(sides, reverse=True)
    assert sides[-1] == 2
    stages = net.stages()
    held = [id(p) for stage in stages for p in stage.parameters()]
    assert sorted(held) == sorted(id(p) for p in net.parameters())
    assert isinstance(stages[-1], nn.Linear)
    assert stages[-1].out_features == 5
    assert add_auxiliary(net) == sum(
        isinstance(m, nn.BatchNorm2d) and not name.endswith(".aux") for name, m in net.named_modules()
    )


def test_is_torchvisions_own_network() -> None:
    torch.manual_seed(3)
    own = models.resnet18(weights=None, num_classes=7).eval()
    torch.manual_seed(3)
    net = TorchvisionNet(num_classes=7, in_channels=3).eval()
    testing.assert_same(dict(own.state_dict()), dict(net.network.state_dict()))
    x = images()
    logits, features = net(x)
    assert torch.equal(logits, own(x))
    stem = own.relu(own.bn1(own.conv1(x)))
    assert torch.equal(features[0], stem)
    assert torch.equal(features[-1], own.layer4(own.layer3(own.layer2(own.layer1(own.maxpool(stem))))))


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("arch", ["resnet18", "mobilenet_v3_small"])
def test_takes_other_numbers_of_channels(arch: str, channels: int) -> None:
    torch.manual_seed(0)
    net = TorchvisionNet(num_classes=5, in_channels=channels, arch=arch)
    plain = TorchvisionNet(num_classes=5, in_channels=3, arch=arch)
    assert net(images(channels)).logits.shape == (2, 5)
    new, old = (next(m for m in n.modules() if isinstance(m, nn.Conv2d)) for n in (net, plain))
    assert new.in_channels == channels
    assert (new.kernel_size, new.stride, new.padding) == (old.kernel_size, old.stride, old.padding)
    assert (new.bias is None) == (old.bias is None)
    assert new.weight.std().item() == pytest.approx(old.weight.std().item(), rel=0.3)


def test_a_deep_copy_and_the_auxiliary_domain() -> None:
    """As the exponential average of a task, and an augmenter in a BatchNorm of its own, need it."""
    net = TorchvisionNet(num_classes=5, in_channels=3, arch="resnet18")
    add_auxiliary(net)
    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin.stages()[0].weight.mul_(-1)
    x = images(count=4)
    with bn_domain(twin, "aux"):
        ours, theirs = net(x), twin(x)
    assert not torch.equal(ours.features[0], theirs.features[0])
    moved = {
        name for name, value in twin.state_dict().items() if not torch.equal(value, net.state_dict()[name])
    }
    assert "network.bn1.aux.running_mean" in moved
    assert "network.bn1.running_mean" in moved  # of `net`, which ran in its main domain
    assert twin.network.bn1.num_batches_tracked == 0
    assert net.network.bn1.num_batches_tracked == 1


@pytest.mark.parametrize(
    ("options", "features"),
    [
        ({"arch": "swin_t"}, [(96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)]),
        ({"arch": "vit_b_32", "image_size": 64}, [(768, 5, 1)] * 4),  # tokens
        (
            {"arch": "swin_t", "layers": {"features.1": "BHWC", "features.4": "BHWC"}},
            [(96, 16, 16), (384, 4, 4)],
        ),
    ],
)
def test_transformers(options: dict[str, Any], features: list[tuple[int, ...]]) -> None:
    """Of one channel, with every parameter in a stage."""
    with torch.device("meta"):
        net = TorchvisionNet(num_classes=5, in_channels=1, **options).eval()
        output = net(images(1).to("meta"))
    assert output.logits.shape == (2, 5)
    assert [tuple(f.shape[1:]) for f in output.features] == features
    held = [id(p) for stage in net.stages() for p in stage.parameters()]
    assert sorted(held) == sorted(id(p) for p in net.parameters())
    assert isinstance(net.stages()[-1], nn.Linear)


def test_layers_by_name() -> None:
    net = TorchvisionNet(num_classes=5, in_channels=3, layers=("layer3.0.conv1", "layer2"))
    assert [f.shape[1] for f in net(images()).features] == [128, 256]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"arch": "resnet19"},
            "^arch: must be a classifier of torchvision.models, not 'resnet19'; did you mean",
        ),
        ({"arch": "fcn_resnet50"}, "^arch: must be a classifier of torchvision.models, not 'fcn_resnet50'"),
        ({"arch": "squeezenet1_1"}, "^arch: the logits of SqueezeNet are not the output of an nn.Linear"),
        ({"arch": "vit_b_32"}, "^arch: VisionTransformer refuses an image of 128 pixels.* as image_size"),
        ({"layers": ("layer5",)}, "^layers: the model has no module 'layer5'; nearest: layer4"),
    ],
)
def test_refuses_what_it_cannot_adapt(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TorchvisionNet(num_classes=5, in_channels=3, **options)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
def test_refuses_auxiliary_heads() -> None:
    with pytest.raises(ValueError, match="^arch: GoogLeNet returns the logits of auxiliary heads"):
        TorchvisionNet(num_classes=5, in_channels=3, arch="googlenet")


def test_downloads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something is downloaded")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    TorchvisionNet(num_classes=5, in_channels=3)


def test_another_number_of_channels_needs_no_weights_to_look_at() -> None:
    """A config that is only checked builds its network on the meta device."""
    with torch.device("meta"):
        net = TorchvisionNet(num_classes=5, in_channels=1)
    assert next(net.parameters()).shape[1] == 1
