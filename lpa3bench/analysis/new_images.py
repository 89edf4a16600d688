"""Classes of images that no run has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lpa3bench.data.pictures import decode
from lpa3bench.data.pixels import MODES, Decoder, Picture
from lpa3bench.errors import UsageError


def predict_pictures(
    pictures: Sequence[Picture], decoder: Decoder, probabilities: Callable[[Tensor], Tensor]
) -> Tensor:
    """Class probabilities, float32 [N, K] on the CPU, some images at a time.

    Args:
        pictures: at least one.
        decoder: makes each into pixels as the run's own images were made.
        probabilities: of pixels uint8 [B, C, S, S]; float32 [B, K].

    Raises:
        DataError: some cannot be read; the message names them.
        UsageError: the run's images are neither grey nor of three colours.
    """
    if decoder.channels not in MODES:
        raise UsageError(f"the run's images have {decoder.channels} channels, and files are read as 1 or 3")
    chunks = decode(pictures, decoder, Counter(), of="predict")
    return torch.cat([probabilities(torch.from_numpy(pixels)) for pixels in chunks])
