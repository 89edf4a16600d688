"""Where the golden tests compute: on the CPU, or on the device that LPA3BENCH_TEST_DEVICE names.

On a GPU float32 then means float32: TF32, PyTorch's default for convolutions there, has ten bits.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from torch import Tensor

from lpa3bench.runtime.device import choose_device

DEVICE = choose_device(os.environ.get("LPA3BENCH_TEST_DEVICE", "cpu"))
if DEVICE.type != "cpu":
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def placed(array: np.ndarray) -> Tensor:
    """A stored array on that device."""
    return torch.from_numpy(array).to(DEVICE)
