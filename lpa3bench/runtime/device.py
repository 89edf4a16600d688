"""Where a run computes: the only file that knows device names. Importing it imports no torch."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from lpa3bench.errors import UsageError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")
VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The environment variable that says which GPUs a process may see."""


def choose(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU where there is one.

    Raises:
        UsageError: there is no such device here.
    """
    import torch

    available = torch.cuda.is_available()
    if name == "auto":
        name = "cuda" if available else "cpu"
    if name == "cuda" and not available:
        raise UsageError("--device cuda: PyTorch sees no GPU here; use --device cpu or auto")
    return torch.device(name)


def gpus(name: str) -> list[str]:
    """What VISIBLE calls the GPUs that a process started here may use under that name; none on a CPU.

    Raises:
        UsageError: there is no such device here.
    """
    if choose(name).type == "cpu":
        return []
    import torch

    places = range(torch.cuda.device_count())
    named = [text.strip() for text in os.environ.get(VISIBLE, "").split(",") if text.strip()]
    return [named[place] if named else str(place) for place in places]


def bind(name: str, place: int) -> None:
    """Make the GPU of that place on this machine the one that this process computes on, if it is to use GPUs.

    Raises:
        UsageError: there are fewer.
    """
    import torch

    count = torch.cuda.device_count()
    if name == "cpu" or not torch.cuda.is_available():
        return
    if place >= count:
        raise UsageError(
            f"torchrun: there are more processes than the {count} GPUs here; start {count} or fewer"
        )
    torch.cuda.set_device(place)


def backends(name: str) -> str:
    """What torch.distributed is to exchange tensors by: those on the host by gloo, those on GPUs by NCCL."""
    import torch

    return "gloo" if name == "cpu" or not torch.cuda.is_available() else "cpu:gloo,cuda:nccl"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Mixed precision for training: "auto" is float32 on a CPU and bfloat16 on a GPU."""
    import torch

    if precision == "float32" or (precision == "auto" and device.type == "cpu"):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """No mixed precision inside: LP-A3's step length is a quotient of two small differences.

    On a GPU convolutions then run in TF32, PyTorch's default, whose error in the first step's length was
    estimated at 0.04–0.05, against 0.33–0.39 in bfloat16.
    """
    import torch

    return torch.autocast(device.type, enabled=False)


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed torch's global generators, which drop-out and the like draw from."""
    import torch

    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.cuda.manual_seed(seed)


def generators(device: torch.device) -> list[torch.Tensor]:
    """The states of torch's global generators: the CPU's, and the device's where it is another one."""
    import torch

    states = [torch.get_rng_state()]
    return states if device.type == "cpu" else [*states, torch.cuda.get_rng_state(device)]


def set_generators(device: torch.device, states: list[torch.Tensor]) -> None:
    """Put back what `generators` returned."""
    import torch

    torch.set_rng_state(states[0])
    if device.type != "cpu":
        torch.cuda.set_rng_state(states[1], device)


def send(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on a device, without waiting for what the device is doing.

    A copy out of ordinary memory may wait; one out of pinned memory, which the copy keeps alive, does not.

    Args:
        x: of any shape and type, on the host; one that is on the device already is returned as it is.
        device: where it is to go.
    """
    if device.type == "cuda" and x.device.type == "cpu":
        x = x.pin_memory()
    return x.to(device, non_blocking=True)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given; call it before reading a clock."""
    if device.type != "cpu":
        import torch

        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> int:
    """Most bytes held so far: of the device, or of the process on a CPU."""
    if device.type == "cpu":
        import resource  # not on every system that can show --help

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    import torch

    return torch.cuda.max_memory_allocated(device)


def describe(device: torch.device) -> str:
    """The hardware's name."""
    import platform

    import torch

    if device.type != "cpu":
        return torch.cuda.get_device_name(device)
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 (a kernel file, not a path of ours)
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
