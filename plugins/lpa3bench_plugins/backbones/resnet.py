"""ResNet-18 and ResNet-50 (He et al. 2016) with a stem for 28-pixel or for 224-pixel images."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from lpa3bench.api import Backbone, Output

Stem = Literal["cifar28", "imagenet224"]


class _Basic(nn.Module):
    """Two 3×3 convolutions."""

    expansion: ClassVar[int] = 1

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = _shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        # In place only on what was made here; x may be a feature that was handed out.
        residual = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(residual)) + self.shortcut(x), inplace=True)


class _Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions; the 3×3 one strides."""

    expansion: ClassVar[int] = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.shortcut = _shortcut(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        residual = F.relu(self.bn1(self.conv1(x)), inplace=True)
        residual = F.relu(self.bn2(self.conv2(residual)), inplace=True)
        return F.relu(self.bn3(self.conv3(residual)) + self.shortcut(x), inplace=True)


class _ResNet(Backbone):
    """What the depths have in common: stem, four stages of strides 1, 2, 2 and 2, average pool, head."""

    paper = "https://arxiv.org/abs/1512.03385"
    block: ClassVar[type[_Basic] | type[_Bottleneck]]
    blocks: ClassVar[tuple[int, int, int, int]]

    def __init__(self, *, num_classes: int, in_channels: int, stem: Stem = "cifar28") -> None:
        super().__init__()
        self.stem = _stem(in_channels, stem)
        layers, channels = [], 64
        for width, stride, count in zip((64, 128, 256, 512), (1, 2, 2, 2), self.blocks, strict=True):
            blocks = [self.block(channels, width, stride)]
            channels = width * self.block.expansion
            blocks += [self.block(channels, width, 1) for _ in range(count - 1)]
            layers.append(nn.Sequential(*blocks))
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Output:
        x = self.stem(x)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return Output(self.head(x.mean((2, 3))), tuple(features))

    def stages(self) -> list[nn.Module]:
        return [self.stem, *self.layers, self.head]


class ResNet18(_ResNet):
    """ResNet-18: two basic blocks per stage. The features are the outputs of the four stages.

    PyTorch's default initialisation. Any image size will do.

    Args:
        stem: "cifar28", as in the MedMNIST v2 experiments at 28 pixels (maps of 28, 14, 7 and 4): 3×3
            convolution. "imagenet224", for images of 224 pixels: 7×7 convolution of stride 2, then 3×3
            max-pool of stride 2, as in an unused file of the LP-A3 release. Which of the two the paper's
            MedMNIST table used is not known.

    Raises:
        ValueError: there is no such stem.
    """

    block = _Basic
    blocks = (2, 2, 2, 2)


class ResNet34(_ResNet):
    """ResNet-34: 3, 4, 6 and 3 basic blocks. All else as `ResNet18`."""

    block = _Basic
    blocks = (3, 4, 6, 3)


class ResNet50(_ResNet):
    """ResNet-50: 3, 4, 6 and 3 bottleneck blocks. All else as `ResNet18`."""

    block = _Bottleneck
    blocks = (3, 4, 6, 3)


def _stem(in_channels: int, kind: Stem) -> nn.Sequential:
    if kind not in ("cifar28", "imagenet224"):
        raise ValueError(f"stem: must be 'cifar28' or 'imagenet224', not {kind!r}")
    small = kind == "cifar28"
    conv = nn.Conv2d(in_channels, 64, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)
    stem = nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(64), act=nn.ReLU(inplace=True)))
    if not small:
        stem.add_module("pool", nn.MaxPool2d(3, stride=2, padding=1))
    return stem


def _shortcut(in_channels: int, channels: int, stride: int) -> nn.Module:
    """What carries a block's input past it: 1×1 convolution and BatchNorm where the shape changes."""
    if stride == 1 and in_channels == channels:
        return nn.Identity()
    conv = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(channels)))
