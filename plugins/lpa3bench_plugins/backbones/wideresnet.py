"""Wide residual networks as FixMatch's PyTorch port builds them (Zagoruyko & Komodakis 2016)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from lpa3bench.api import Backbone, Output

SLOPE = 0.1  # of every leaky ReLU


class WideResNet(Backbone):
    """WRN-`depth`-`widen`: WRN-28-2 for CIFAR-10, WRN-28-8 for CIFAR-100, WRN-37-2 in 4 groups for STL-10.

    A 3×3 stem of 16 channels; `groups` groups of residual blocks with 16·`widen`, 32·`widen`, … channels, all
    but the first of stride 2; a last BatchNorm, leaky ReLU, global average pool, head. The features are the
    outputs of the groups: the residual stream before the last BatchNorm. Any image size will do.

    BatchNorm has eps 1e-5; the TensorFlow original has eps 1e-3 there,
    and biases in its convolutions, which the port has not.

    Args:
        depth: layers with weights, 1×1 shortcuts of the groups included: groups·(2n + 1) + 1 with n blocks
            per group.
        widen: factor on the channels.
        groups: 3, or 4 for larger images.
        tf_preact: in the PyTorch port, whose results the LP-A3 paper builds on, the first block of each group
            but the first computes BatchNorm and leaky ReLU and then feeds its raw input to the convolution.
            That is the default; these BatchNorms exist, count as parameters, and never train (here they are
            not even computed). True: the convolution sees the activated input, as in Google's TensorFlow
            code.
        bn_momentum: of BatchNorm's running statistics, in PyTorch's sense. The port's 0.001 averages over a
            thousand steps; a training of a few thousand needs a shorter memory.

    Raises:
        ValueError: `depth`, `widen`, `groups` or `bn_momentum` is out of range.
    """

    paper = "https://arxiv.org/abs/1605.07146"
    added = ("bn_momentum",)

    def __init__(
        self,
        *,
        num_classes: int,
        in_channels: int,
        depth: int = 28,
        widen: int = 2,
        groups: int = 3,
        tf_preact: bool = False,
        bn_momentum: float = 0.001,
    ) -> None:
        super().__init__()
        if not 0 < bn_momentum <= 1:
            raise ValueError(f"bn_momentum: must be in (0, 1], not {bn_momentum}")
        if groups < 1:
            raise ValueError(f"groups: must be >= 1, not {groups}")
        if widen < 1:
            raise ValueError(f"widen: must be >= 1, not {widen}")
        blocks = ((depth - 1) // groups - 1) // 2
        if blocks < 1 or depth != groups * (2 * blocks + 1) + 1:
            fitting = ", ".join(str(groups * (2 * n + 1) + 1) for n in (1, 2, 4, 6))
            raise ValueError(f"depth: with {groups} groups must be one of {fitting}, … not {depth}")
        widths = [16] + [16 * widen * 2**group for group in range(groups)]
        self.stem = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.groups = nn.ModuleList(
            _group(widths[group], widths[group + 1], blocks, first=group == 0, tf_preact=tf_preact)
            for group in range(groups)
        )
        self.bn = _batchnorm(widths[-1])
        self.head = nn.Linear(widths[-1], num_classes)
        self._initialise()
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = bn_momentum

    def forward(self, x: Tensor) -> Output:
        x = self.stem(x)
        features = []
        for group in self.groups:
            x = group(x)
            features.append(x)
        pooled = _activate(self.bn(x)).mean((2, 3))
        return Output(self.head(pooled), tuple(features))

    def stages(self) -> list[nn.Module]:
        return [self.stem, *self.groups, self.bn, self.head]

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # std = sqrt(2/(k²·C_out))
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.xavier_normal_(self.head.weight)
        nn.init.zeros_(self.head.bias)


class _Block(nn.Module):
    """A pre-activation residual block.

    Args:
        preactivate: the convolutions see the activated input, not the raw one.
        activate_shortcut: so does the shortcut.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int, *, preactivate: bool, activate_shortcut: bool
    ) -> None:
        super().__init__()
        self.preactivate = preactivate
        self.activate_shortcut = activate_shortcut
        self.bn1 = _batchnorm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = _batchnorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        entry = _activate(self.bn1(x)) if self.preactivate else x
        residual: Tensor = self.conv2(_activate(self.bn2(self.conv1(entry))))
        carried: Tensor = self.shortcut(entry if self.activate_shortcut else x)
        return residual + carried


def _group(in_channels: int, channels: int, blocks: int, *, first: bool, tf_preact: bool) -> nn.Sequential:
    """One group. Its first block changes the width, and strides unless the group is the `first`."""
    opening = _Block(
        in_channels,
        channels,
        1 if first else 2,
        preactivate=first or tf_preact,
        activate_shortcut=first,
    )
    rest = (
        _Block(channels, channels, 1, preactivate=True, activate_shortcut=False) for _ in range(blocks - 1)
    )
    return nn.Sequential(opening, *rest)


def _batchnorm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-5)


def _activate(x: Tensor) -> Tensor:
    """In place: only ever called on what a BatchNorm has just made, which nothing else holds."""
    return F.leaky_relu(x, SLOPE, inplace=True)
