"""Where a run computes: the only file that knows device names. Importing it imports no torch."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from lpa3bench.errors import UsageError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")
VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The environment variable that says which GPUs a process may see."""


def usable_cores() -> int:
    """Cores that this process may use, where the system says so; else all."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def choose_device(name: str) -> torch.device:
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
    if choose_device(name).type == "cpu":
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


def precision(device: torch.device, asked: str) -> str:
    """The precision that is used where one is asked for: "auto" is float32 on a CPU, bfloat16 on a GPU."""
    if asked == "auto":
        return "float32" if device.type == "cpu" else "bfloat16"
    return asked


def autocast(device: torch.device, asked: str) -> AbstractContextManager[Any]:
    """Mixed precision for training, as `precision` says."""
    import torch

    used = precision(device, asked)
    return nullcontext() if used == "float32" else torch.autocast(device.type, getattr(torch, used))


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


def synchronise_device(device: torch.device) -> None:
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


def device_name(device: torch.device) -> str:
    found = hardware(device)
    return str(found["gpu_name"] or found["cpu_model"])


def hardware(device: torch.device) -> dict[str, Any]:
    """What bits depend on beside the versions: the kind of CPU, the GPU if one is computed on, and the
    libraries of mathematics that PyTorch was built with. By the names that records have for them."""
    import torch

    name = capability = None
    libraries = math_libraries(torch.__config__.show())
    if device.type != "cpu":
        name = torch.cuda.get_device_name(device)
        capability = ".".join(map(str, torch.cuda.get_device_capability(device)))
        cudnn: Any = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        libraries |= {key: str(v) for key, v in {"cuda": torch.version.cuda, "cudnn": cudnn}.items() if v}
    return {
        **cpu_named(_cpu_told()),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpu_name": name,
        "gpu_capability": capability,
        "math_libraries": libraries,
    }


def _cpu_told() -> list[str]:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 (a kernel file, not a path of ours)
            return file.readlines()
    except OSError:
        return []


def cpu_named(told: Iterable[str]) -> dict[str, str]:
    """The model of a CPU, and its vendor, family and number, as far as the lines of `/proc/cpuinfo` tell."""
    import platform

    first: dict[str, str] = {}
    for name, colon, value in (line.partition(":") for line in told):
        if colon:
            first.setdefault(name.strip(), value.strip())
    family = first.get("vendor_id") or first.get("CPU implementer") or platform.machine()
    for name, word in {"cpu family": "family", "model": "model", "CPU part": "part"}.items():
        if name in first:
            family += f" {word} {first[name]}"
    model = first.get("model name") or platform.processor() or platform.machine()
    return {"cpu_model": model, "cpu_family": family}


def math_libraries(built_with: str) -> dict[str, str]:
    """The versions in what `torch.__config__.show()` says: `{"mkl": "2024.2", "onednn": "3.12.0"}`."""
    patterns = {
        "mkl": r"Math Kernel Library Version ([\w.]+)",
        "onednn": r"(?:MKL-DNN|oneDNN) v([\w.]+)",
        "openblas": r"OpenBLAS ([\d.]+)",
    }
    found = {name: re.search(pattern, built_with) for name, pattern in patterns.items()}
    return {name: match[1] for name, match in found.items() if match}
