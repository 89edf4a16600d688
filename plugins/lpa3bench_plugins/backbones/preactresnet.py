"""The pre-activation ResNet-18 of the noisy-label papers: DivideMix, M-correction, PES and LP-A3."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

from lpa3bench.api import Backbone, Output


class PreActResNet18(Backbone):
    """Pre-activation ResNet-18 (He et al. 2016) for 32-pixel images, as those papers' code has it.

    A 3×3 stem of 64 channels with BatchNorm and ReLU, four stages of two blocks with 64, 128, 256 and 512
    channels and strides 1, 2, 2 and 2, average pool, head. The features are the outputs of the stages.
    PyTorch's default initialisation; BatchNorm momentum 0.1, eps 1e-5.

    Two deviations of that code from the textbook are kept: there is no BatchNorm and ReLU between the last
    block and the pool, and a shortcut without convolution carries the block's *activated* input, not the raw
    one.

    The pool here is over the whole last map, so any image size will do. The released pool of 4×4 is the same
    where that map is 4×4: for images of 25 to 32 pixels. Smaller ones it refuses; of larger ones it sees only
    the top left 4×4 positions, and beyond 56 pixels its output no longer fits the head.
    """

    paper = "https://arxiv.org/abs/1603.05027"

    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(in_channels, 64, 3, padding=1, bias=False),
                bn=nn.BatchNorm2d(64),
                act=nn.ReLU(inplace=True),
            )
        )
        self.layers = nn.ModuleList(
            nn.Sequential(_Block(in_width, width, stride), _Block(width, width, 1))
            for in_width, width, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        )
        self.head = nn.Linear(512, num_classes)

    def forward(self, x: Tensor) -> Output:
        x = self.stem(x)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return Output(self.head(x.mean((2, 3))), tuple(features))

    def stages(self) -> list[nn.Module]:
        return [self.stem, *self.layers, self.head]


class _Block(nn.Module):
    """A pre-activation block of two 3×3 convolutions."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # In place only on what a BatchNorm has just made; x may be a feature that was handed out.
        entry = F.relu(self.bn1(x), inplace=True)
        residual: Tensor = self.conv2(F.relu(self.bn2(self.conv1(entry)), inplace=True))
        carried: Tensor = self.shortcut(entry)
        return residual + carried
