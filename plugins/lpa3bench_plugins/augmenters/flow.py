"""A learnt, invertible change of every pixel's colour that keeps volumes, in RGB or in YDbDr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Space = Literal["rgb", "ydbdr"]

YDBDR = ((0.299, 0.587, 0.114), (-0.450, -0.883, 1.333), (-1.333, 1.116, 0.217))
"""Y, Db and Dr from red, green and blue in [0, 1]."""
YDBDR_MEAN, YDBDR_STD = (0.434, -0.049, -0.028), (0.500, 1.169, 1.321)
"""With which InfoMin's script normalises STL-10 there."""
SHIFTED: dict[Space, tuple[tuple[int, ...], ...]] = {
    "rgb": ((0,), (1,), (2,), (0,)),
    "ydbdr": ((0,), (1, 2), (0,), (1, 2)),
}
"""The channels that each of the four blocks shifts: red, green, blue and red; or Y and DbDr by turns."""
HIDDEN = 2
"""Channels between the two layers of a block."""


class Colours:
    """Normalised pixels of a colour space: z = (A·x − mean)/std for the colour x of each pixel.

    Args:
        matrix: A, 3×3.
        mean, std: per channel of A·x.
        device: where images will be.
    """

    def __init__(
        self,
        matrix: Sequence[Sequence[float]],
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device | None = None,
    ) -> None:
        turn, centre, scale = (torch.tensor(v, dtype=torch.float64) for v in (matrix, mean, std))
        back = turn.inverse()
        forth = (turn / scale.unsqueeze(1), -centre / scale)
        inverse = (back * scale, back @ centre)
        self._encode, self._decode = (_pixelwise(*pair, device) for pair in (forth, inverse))

    @classmethod
    def of(
        cls, space: Space, mean: Sequence[float], std: Sequence[float], device: torch.device | None = None
    ) -> Colours:
        """RGB, with the data set's own mean and std, or YDbDr with the constants above."""
        if space == "rgb":
            return cls(torch.eye(3).tolist(), mean, std, device)
        return cls(YDBDR, YDBDR_MEAN, YDBDR_STD, device)

    def encode(self, x: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [0, 1] to normalised pixels of the space, of that shape."""
        return _conv(x, self._encode)

    def decode(self, z: Tensor) -> Tensor:
        """The inverse of `encode`."""
        return _conv(z, self._decode)


def _pixelwise(matrix: Tensor, offset: Tensor, device: torch.device | None) -> tuple[Tensor, Tensor]:
    """Weight [3, 3, 1, 1] and bias [3] of a 1×1 convolution."""
    return matrix.view(3, 3, 1, 1).float().to(device), offset.float().to(device)


def _conv(x: Tensor, affine: tuple[Tensor, Tensor]) -> Tensor:
    weight, bias = (part.to(x.dtype) for part in affine)
    return F.conv2d(x, weight, bias)


class _Still(nn.Conv2d):
    """A convolution that starts at zero."""

    def reset_parameters(self) -> None:
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


class Coupling(nn.Module):
    """Shifts some channels by a small network of the others: invertible, with Jacobian determinant one.

    Two 1×1 convolutions with a ReLU between them, so a pixel is changed by nothing but its own colour.

    Args:
        shifted: the channels that move; the others are given.
        rectify: whether a ReLU comes before the first convolution too.
    """

    def __init__(self, shifted: Sequence[int], *, rectify: bool) -> None:
        super().__init__()
        self.shifted = tuple(shifted)
        self.given = tuple(channel for channel in range(3) if channel not in self.shifted)
        self.entry = nn.ReLU() if rectify else nn.Identity()
        self.conv1 = nn.Conv2d(len(self.given), HIDDEN, 1)
        self.conv2 = _Still(HIDDEN, len(self.shifted), 1)

    def forward(self, z: Tensor) -> Tensor:
        """[B, 3, H, W] to the same shape."""
        return self._moved(z, 1)

    def inverse(self, z: Tensor) -> Tensor:
        """What `forward` has made z from."""
        return self._moved(z, -1)

    def _moved(self, z: Tensor, sign: int) -> Tensor:
        channels = list(z.chunk(3, dim=1))
        given = torch.cat([channels[place] for place in self.given], dim=1)
        shift = self.conv2(F.relu(self.conv1(self.entry(given))))
        for place, by in zip(self.shifted, shift.chunk(len(self.shifted), dim=1), strict=True):
            channels[place] = channels[place] + sign * by
        return torch.cat(channels, dim=1)


class PixelFlow(nn.Module):
    """InfoMin's volume-preserving view generator: four couplings one after the other.

    As in the authors' script: per pixel, two hidden channels, biases, no leading ReLU in the first block.
    Choices: the second layer of each block starts at zero, so the flow starts as the identity; in YDbDr both
    kinds of block have two hidden channels.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Coupling(shifted, rectify=place > 0) for place, shifted in enumerate(SHIFTED[space])
        )

    def forward(self, z: Tensor) -> Tensor:
        """Normalised pixels [B, 3, H, W] to the same shape."""
        for block in self.blocks:
            z = block(z)
        return z

    def inverse(self, z: Tensor) -> Tensor:
        """What `forward` has made z from."""
        for block in reversed(self.blocks):
            assert isinstance(block, Coupling)
            z = block.inverse(z)
        return z
