"""Images to mean 0 and deviation 1, channel by channel."""

from __future__ import annotations

from torch import Tensor


def normalise(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(x − mean)/std.

    Args:
        x: [B, C, H, W].
        mean, std: [C, 1, 1].
    """
    return (x - mean) / std
