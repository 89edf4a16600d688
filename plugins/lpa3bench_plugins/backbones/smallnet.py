"""A small network for tiny images, such as the 8×8 digits of the quickstart."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from lpa3bench.api import Backbone, Output


class SmallNet(Backbone):
    """Three stages of 3×3 convolution, BatchNorm and leaky ReLU (slope 0.1), then average pool and head.

    Stages have `width`, 2·`width` and 4·`width` channels and strides 1, 2 and 2; the features are their
    outputs. Any image size will do. With PyTorch's default initialisation. The leaky ReLU matters: after a
    plain one a feature vector can be exactly zero, where LP-A3's distance has no gradient.

    Args:
        width: channels of the first stage. 16 makes 24 thousand parameters for grey images and ten classes.

    Raises:
        ValueError: `width` is below 1.
    """

    def __init__(self, *, num_classes: int, in_channels: int, width: int = 16) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width: must be >= 1, not {width}")
        self.stage1 = _stage(in_channels, width, stride=1)
        self.stage2 = _stage(width, 2 * width, stride=2)
        self.stage3 = _stage(2 * width, 4 * width, stride=2)
        self.head = nn.Linear(4 * width, num_classes)

    def forward(self, x: Tensor) -> Output:
        first = self.stage1(x)
        second = self.stage2(first)
        third = self.stage3(second)
        return Output(self.head(third.mean((2, 3))), (first, second, third))

    def stages(self) -> list[nn.Module]:
        return [self.stage1, self.stage2, self.stage3, self.head]


def _stage(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False),
            bn=nn.BatchNorm2d(channels),
            act=nn.LeakyReLU(0.1, inplace=True),
        )
    )
