"""What every backbone of ours promises, whatever its architecture."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lpa3bench.api import Backbone
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain
from lpa3bench_plugins.backbones.preactresnet import PreActResNet18
from lpa3bench_plugins.backbones.resnet import ResNet18, ResNet50
from lpa3bench_plugins.backbones.smallnet import SmallNet
from lpa3bench_plugins.backbones.wideresnet import WideResNet

Build = Callable[..., Backbone]

BUILDS: dict[str, Build] = {
    "SmallNet": lambda **kw: SmallNet(width=4, **kw),
    "WideResNet": lambda **kw: WideResNet(depth=16, widen=1, **kw),
    "WideResNet, tf_preact": lambda **kw: WideResNet(depth=16, widen=2, tf_preact=True, **kw),
    "WideResNet, 4 groups": lambda **kw: WideResNet(depth=21, widen=2, groups=4, **kw),
    "PreActResNet18": PreActResNet18,
    "ResNet18": ResNet18,
    "ResNet50": ResNet50,
    "ResNet18, imagenet224": lambda **kw: ResNet18(stem="imagenet224", **kw),
}


@pytest.fixture(params=BUILDS.values(), ids=BUILDS.keys())
def build(request: pytest.FixtureRequest) -> Build:
    torch.manual_seed(0)
    return request.param


def images(batch: int = 4, channels: int = 3, size: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn((batch, channels, size, size), generator=generator)


def test_stages_hold_every_parameter_once_and_end_with_the_head(build: Build) -> None:
    model = build(num_classes=7, in_channels=3)
    stages = model.stages()
    held = [parameter for stage in stages for parameter in stage.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == set(model.parameters())
    assert isinstance(stages[-1], nn.Linear)
    assert stages[-1].out_features == 7


def test_replacing_nothing_leaves_the_stages_the_same_objects(build: Build) -> None:
    model = build(num_classes=7, in_channels=3)
    assert all(a is b for a, b in zip(model.stages(), model.stages(), strict=True))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32])
def test_shapes(build: Build, channels: int, size: int) -> None:
    model = build(num_classes=7, in_channels=channels)
    logits, features = model(images(2, channels, size))
    assert logits.shape == (2, 7)
    assert len(features) in (3, 4)
    assert all(f.dim() == 4 and f.shape[0] == 2 and f.shape[2] == f.shape[3] for f in features)
    sides = [f.shape[2] for f in features]
    assert sides == sorted(sides, reverse=True)


def test_features_are_not_overwritten_on_the_way_to_the_logits(build: Build) -> None:
    model = build(num_classes=7, in_channels=3).train()
    made: list[Tensor] = []
    for stage in model.stages():
        stage.register_forward_hook(lambda _module, _inputs, output: made.append(output.clone()))
    x = images()
    before = x.clone()
    features = model(x).features
    assert torch.equal(x, before)
    for feature in features:
        assert any(feature.shape == stage.shape and torch.equal(feature, stage) for stage in made)


def test_the_gradient_of_logits_and_features_reaches_the_image(build: Build) -> None:
    model = build(num_classes=7, in_channels=3).train()
    x = images().requires_grad_()
    logits, features = model(x)
    for output in (logits, *features):
        (gradient,) = torch.autograd.grad(output.square().mean(), x, retain_graph=True)
        assert gradient.isfinite().all()
        assert (gradient.flatten(1).abs().amax(1) > 0).all()


def test_every_layer_trains_but_the_ones_the_port_ignores(build: Build) -> None:
    model = build(num_classes=7, in_channels=3).train()
    model(images()).logits.square().mean().backward()
    ignored = set()
    if isinstance(model, WideResNet) and not model.groups[1][0].preactivate:
        ignored = {f"groups.{g}.0.bn1.{p}" for g in range(1, len(model.groups)) for p in ("weight", "bias")}
    assert {name for name, p in model.named_parameters() if p.grad is None} == ignored


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_last_is_kept_and_changes_nothing(build: Build, channels: int) -> None:
    """In float64, where the order of sums does not show."""
    model = build(num_classes=7, in_channels=channels).double().train().requires_grad_(False)
    x = images(2, channels).double()
    plain = model(x)
    model.to(memory_format=torch.channels_last)
    for given in (x, x.contiguous(memory_format=torch.channels_last)):
        logits, features = model(given)
        assert all(f.is_contiguous(memory_format=torch.channels_last) for f in features)
        torch.testing.assert_close(logits, plain.logits)
        for feature, reference in zip(features, plain.features, strict=True):
            torch.testing.assert_close(feature, reference)


def test_eval_mode_treats_each_image_alone_and_repeats_itself(build: Build) -> None:
    model = build(num_classes=7, in_channels=3).double()
    model.train()(images().double())
    model.eval()
    x = images().double()
    together = model(x).logits
    assert torch.equal(model(x).logits, together)
    torch.testing.assert_close(model(x[2:3]).logits, together[2:3])


def test_auxiliary_batchnorm_joins_every_layer_and_starts_equal(build: Build) -> None:
    model = build(num_classes=7, in_channels=3).train()
    layers = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    parameters = sum(p.numel() for p in model.parameters())
    assert add_auxiliary(model) == len(layers)
    more = sum(p.numel() for p in model.parameters()) - parameters
    assert more == sum(2 * layer.num_features for layer in layers)
    main = model(images())
    with bn_domain(model, "aux"):
        aux = model(images())
    assert torch.equal(main.logits, aux.logits)
    assert all(torch.equal(m, a) for m, a in zip(main.features, aux.features, strict=True))


def test_normalisation_is_named_bn(build: Build) -> None:
    """FixMatch leaves out of weight decay what has "bn" or "bias" in its name."""
    model = build(num_classes=7, in_channels=3)
    add_auxiliary(model)
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert "bn" in name
        elif isinstance(module, nn.Conv2d | nn.Linear):
            assert "bn" not in name
