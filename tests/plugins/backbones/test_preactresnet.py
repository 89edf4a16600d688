"""PreActResNet18 against published counts and an independent computation of its forward pass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lpa3bench.nn.batchnorm import add_auxiliary
from lpa3bench_plugins.backbones.preactresnet import PreActResNet18


def test_parameter_count() -> None:
    model = PreActResNet18(num_classes=10, in_channels=3)
    assert sum(p.numel() for p in model.parameters()) == 11_171_274
    add_auxiliary(model)
    assert sum(p.numel() for p in model.parameters()) == 11_178_186


def test_feature_shapes() -> None:
    features = PreActResNet18(num_classes=10, in_channels=3)(torch.rand(1, 3, 32, 32)).features
    assert [tuple(f.shape) for f in features] == [
        (1, 64, 32, 32),
        (1, 128, 16, 16),
        (1, 256, 8, 8),
        (1, 512, 4, 4),
    ]


def reference(state: dict[str, Tensor], x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The network in eval mode from its numbers alone."""

    def activated(name: str, x: Tensor) -> Tensor:
        mean, variance, scale, shift = (
            state[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)

    x = activated("stem.bn", F.conv2d(x, state["stem.conv.weight"], padding=1))
    features = []
    for layer in range(4):
        for number in range(2):
            name = f"layers.{layer}.{number}"
            stride = 2 if layer > 0 and number == 0 else 1
            entry = activated(f"{name}.bn1", x)
            y = F.conv2d(entry, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            y = F.conv2d(activated(f"{name}.bn2", y), state[f"{name}.conv2.weight"], padding=1)
            x = y + (
                F.conv2d(entry, state[f"{name}.shortcut.weight"], stride=stride) if stride == 2 else entry
            )
        features.append(x)
    return F.avg_pool2d(x, 4).flatten(1) @ state["head.weight"].T + state["head.bias"], features


@pytest.mark.parametrize("size", [25, 28, 32])
def test_forward_equals_an_independent_computation_with_the_released_pool(size: int) -> None:
    torch.manual_seed(0)
    model = PreActResNet18(num_classes=5, in_channels=3).double().eval()
    state = model.state_dict()
    for key, value in state.items():  # so that no normalisation is an identity
        if "bn" in key and value.is_floating_point():
            value.uniform_(0.5, 1.5)
    x = torch.randn(2, 3, size, size, dtype=torch.float64)
    logits, features = model(x)
    expected, expected_features = reference(state, x)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    for feature, other in zip(features, expected_features, strict=True):
        torch.testing.assert_close(feature, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [8, 48, 64])
def test_other_sizes_are_pooled_over_the_whole_map(size: int) -> None:
    model = PreActResNet18(num_classes=5, in_channels=3).eval()
    logits, features = model(torch.rand(2, 3, size, size))
    assert features[-1].shape[2] == size // 8
    pooled = features[-1].flatten(2).mean(2)
    torch.testing.assert_close(logits, model.head(pooled))
