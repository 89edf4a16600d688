"""What is global to a process that a run uses: it finds it as in a new process, and leaves it as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from lpa3bench.runtime import device as devices


@contextmanager
def kept_state() -> Iterator[None]:
    """Inside the block PyTorch's default type and device are those of a new process, and gradients are on.

    After it these are as they were, and so are the number of threads and all random generators: PyTorch's, of
    the CPU and of a GPU if there is one, NumPy's and Python's. How many threads there are has a say in the
    last bits, and is whoever calls' to choose.
    """
    device = devices.choose_device("auto")
    default, place, threads = torch.get_default_dtype(), torch.get_default_device(), torch.get_num_threads()
    states = devices.generators(device), np.random.get_state(), random.getstate()
    moved = place.type != "cpu"
    try:
        torch.set_default_dtype(torch.float32)
        if moved:
            torch.set_default_device(None)
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(default)
        if moved:
            torch.set_default_device(place)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        devices.set_generators(device, states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
