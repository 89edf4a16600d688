"""The network of the golden files ("Shared definitions"), as a backbone of ours; tests import this."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lpa3bench.api import Backbone, Output
from lpa3bench.nn.batchnorm import add_auxiliary
from support.golden_files import DEVICE

FIXMATCH_MOMENTUM = 0.001
PES_MOMENTUM = 0.1


class SmallNetwork(Backbone):
    """Three stages of convolution, BatchNorm (if asked for) and leaky ReLU; strides 1, 2, 2."""

    def __init__(
        self, *, num_classes: int, channels: tuple[int, int, int], momentum: float, normalised: bool
    ) -> None:
        super().__init__()
        widths = (3, *channels)
        for i in (1, 2, 3):
            conv = nn.Conv2d(widths[i - 1], widths[i], 3, stride=1 if i == 1 else 2, padding=1, bias=False)
            bn = nn.BatchNorm2d(widths[i], momentum=momentum) if normalised else nn.Identity()
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", bn)
        self.head = nn.Linear(widths[3], num_classes)

    def forward(self, x: Tensor) -> Output:
        features = []
        for conv, bn in self._stages():
            x = F.leaky_relu(bn(conv(x)), 0.1)
            features.append(x)
        return Output(self.head(x.mean((2, 3))), tuple(features))

    def stages(self) -> list[nn.Module]:
        return [nn.Sequential(*parts) for parts in self._stages()] + [self.head]

    def _stages(self) -> list[tuple[nn.Module, nn.Module]]:
        return [(getattr(self, f"conv{i}"), getattr(self, f"bn{i}")) for i in (1, 2, 3)]


def small_network(weights: Mapping[str, np.ndarray], *, momentum: float, dtype: torch.dtype) -> SmallNetwork:
    """The network with the stored weights, in train mode.

    Args:
        weights: by their golden names (`conv1.weight`, `bn1.weight`, `bn1_adv.running_mean`, `head.bias`, …).
            Where they name BatchNorms each gets its auxiliary one, with momentum 0.01.
        momentum: of the main BatchNorm: FIXMATCH_MOMENTUM or PES_MOMENTUM.
        dtype: of the weights; float32 is the float64 ones rounded once.
    """
    normalised = any(name.startswith("bn") for name in weights)
    channels = tuple(int(weights[f"conv{i}.weight"].shape[0]) for i in (1, 2, 3))
    classes = int(weights["head.bias"].shape[0])
    network = SmallNetwork(num_classes=classes, channels=channels, momentum=momentum, normalised=normalised)
    if normalised:
        assert add_auxiliary(network, momentum=0.01) == 3
    network.to(DEVICE, dtype)
    network.load_state_dict({our_name(name): torch.from_numpy(value) for name, value in weights.items()})
    return network.train()


def our_name(golden: str) -> str:
    """`bn1_adv.weight` → `bn1.aux.weight`."""
    return re.sub(r"^(bn\d)_adv\.", r"\1.aux.", golden)


def golden_state(network: nn.Module) -> dict[str, np.ndarray]:
    """Parameters and buffers by their golden names."""
    state = network.state_dict()
    return {name.replace(".aux.", "_adv."): value.detach().cpu().numpy() for name, value in state.items()}


def below(archive: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose keys open with `prefix/`, by the rest of the key."""
    return {key.removeprefix(f"{prefix}/"): archive[key] for key in archive if key.startswith(f"{prefix}/")}


def relative(found: Tensor | np.ndarray, golden: np.ndarray) -> float:
    """Largest absolute difference, divided by max(1, largest absolute golden value)."""
    found = np.asarray(found.detach().cpu() if isinstance(found, Tensor) else found, dtype=np.float64)
    assert found.shape == golden.shape
    golden = golden.astype(np.float64)
    return float(np.abs(found - golden).max() / max(1.0, np.abs(golden).max()))
