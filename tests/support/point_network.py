"""A network that ends in a map of one place, so that BatchNorm gets one value per channel of an image."""

from __future__ import annotations

from torch import Tensor, nn

from lpa3bench.api import Output
from lpa3bench.testing import TinyNet


class PointNet(TinyNet):
    """For images of 8 pixels."""

    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes=num_classes, in_channels=in_channels)
        self.body = nn.Sequential(nn.Conv2d(8, 16, 8), nn.BatchNorm2d(16), nn.Dropout(0.1))

    def forward(self, x: Tensor) -> Output:
        output = super().forward(x)
        assert output.features[-1].shape[2:] == (1, 1)
        return output
