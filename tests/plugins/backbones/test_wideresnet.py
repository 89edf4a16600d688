"""WideResNet against published counts and an independent computation of its forward pass."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lpa3bench.nn.batchnorm import add_auxiliary
from lpa3bench_plugins.backbones.wideresnet import WideResNet


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("options", "plain", "dual"),
    [
        pytest.param({"num_classes": 10}, 1_467_610, 1_471_226, id="28-2"),
        pytest.param({"num_classes": 100, "widen": 8}, 23_401_012, 23_415_380, id="28-8"),
        pytest.param({"num_classes": 10, "depth": 37, "groups": 4}, 5_929_434, 5_937_146, id="37-2"),
    ],
)
@pytest.mark.parametrize("tf_preact", [False, True])
def test_parameter_count(options: dict[str, Any], plain: int, dual: int, tf_preact: bool) -> None:
    model = WideResNet(in_channels=3, tf_preact=tf_preact, **options)
    assert count(model) == plain
    add_auxiliary(model)
    assert count(model) == dual


def test_feature_shapes() -> None:
    features = WideResNet(num_classes=10, in_channels=3)(torch.rand(1, 3, 32, 32)).features
    assert [tuple(f.shape) for f in features] == [(1, 32, 32, 32), (1, 64, 16, 16), (1, 128, 8, 8)]


def test_normalisation_and_initialisation() -> None:
    torch.manual_seed(0)
    model = WideResNet(num_classes=10, in_channels=3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.momentum, module.eps) == (0.001, 1e-5)
            assert module.weight.eq(1).all()
            assert module.bias.eq(0).all()
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
            std = math.sqrt(2 / (module.kernel_size[0] ** 2 * module.out_channels))
            assert module.weight.std().item() == pytest.approx(
                std, rel=4 / math.sqrt(2 * module.weight.numel())
            )
    assert model.head.weight.std().item() == pytest.approx(math.sqrt(2 / (128 + 10)), rel=0.08)
    assert model.head.bias.eq(0).all()


def test_statistics_may_have_a_shorter_memory() -> None:
    model = WideResNet(num_classes=10, in_channels=3, depth=10, widen=1, bn_momentum=0.1)
    momenta = [module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert momenta == [0.1] * 7
    with pytest.raises(ValueError, match=r"^bn_momentum: must be in \(0, 1\], not 0"):
        WideResNet(num_classes=10, in_channels=3, bn_momentum=0)


def reference(
    state: dict[str, Tensor], x: Tensor, blocks: int, *, tf_preact: bool
) -> tuple[Tensor, list[Tensor]]:
    """The network in eval mode from its numbers alone, the way each of the two sources writes it."""

    def normalised(name: str, x: Tensor) -> Tensor:
        mean, variance, scale, shift = (
            state[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        y = (x - mean) / (variance + 1e-5).sqrt() * scale + shift
        return torch.where(y > 0, y, 0.1 * y)

    x = F.conv2d(x, state["stem.weight"], padding=1)
    features = []
    for group in range(3):
        for number in range(blocks):
            name = f"groups.{group}.{number}"
            stride = 2 if group > 0 and number == 0 else 1
            activated = normalised(f"{name}.bn1", x)
            if f"{name}.shortcut.weight" not in state:
                entry, carried = activated, x
            else:
                raw = x
                if group == 0:
                    entry, raw = activated, activated
                elif tf_preact:
                    entry = activated
                else:  # computed, and ignored
                    entry = x
                carried = F.conv2d(raw, state[f"{name}.shortcut.weight"], stride=stride)
            y = F.conv2d(entry, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            y = F.conv2d(normalised(f"{name}.bn2", y), state[f"{name}.conv2.weight"], padding=1)
            x = carried + y
        features.append(x)
    pooled = normalised("bn", x).mean(dim=3).mean(dim=2)
    return pooled @ state["head.weight"].T + state["head.bias"], features


@pytest.mark.parametrize("tf_preact", [False, True])
def test_forward_equals_an_independent_computation(tf_preact: bool) -> None:
    torch.manual_seed(0)
    model = WideResNet(num_classes=5, in_channels=2, depth=16, tf_preact=tf_preact).double().eval()
    state = model.state_dict()
    for key, value in state.items():  # so that no normalisation is an identity
        if "bn" in key and value.is_floating_point():
            value.uniform_(0.5, 1.5)
    x = torch.randn(2, 2, 12, 12, dtype=torch.float64)
    logits, features = model(x)
    expected, expected_features = reference(state, x, 2, tf_preact=tf_preact)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    for feature, other in zip(features, expected_features, strict=True):
        torch.testing.assert_close(feature, other, rtol=1e-10, atol=1e-10)
    other_way, _ = reference(state, x, 2, tf_preact=not tf_preact)
    assert not torch.allclose(logits, other_way)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 27}, "^depth: with 3 groups must be one of 10, 16, 28, 40, … not 27"),
        ({"depth": 28, "groups": 4}, "^depth: with 4 groups must be one of 13, 21, 37, 53, … not 28"),
        ({"depth": 4}, "^depth: "),
        ({"depth": -2}, "^depth: "),
        ({"widen": 0}, "^widen: must be >= 1, not 0"),
        ({"groups": 0}, "^groups: must be >= 1, not 0"),
    ],
)
def test_refuses_what_is_out_of_range(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WideResNet(num_classes=10, in_channels=3, **options)
