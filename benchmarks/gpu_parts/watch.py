"""Watches a device at work: its own clock, its memory, the kernels it runs and how often the host waits."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from lpa3bench.runtime import device as devices

WAITS = frozenset(("cudaStreamSynchronize", "cudaEventSynchronize"))
"""How PyTorch waits for a value; it waits for a whole device only where it is told to."""
SYNCED = "called a synchronizing CUDA operation"
"""What PyTorch's sync debug mode says of a call that makes the host wait."""
TOP = 8
"""Kernels that are named."""


class Stopwatch:
    """Times between marks in the device's queue, or by the host's clock on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._marks: list[Any] = []

    def mark(self) -> None:
        """Here; does not wait."""
        if self._device.type == "cpu":
            self._marks.append(time.perf_counter())
            return
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._marks.append(event)

    def laps(self) -> list[float]:
        """Seconds between one mark and the next; waits for the device."""
        devices.synchronise_device(self._device)
        pairs = zip(self._marks, self._marks[1:], strict=False)
        if self._device.type == "cpu":
            return [after - before for before, after in pairs]
        return [before.elapsed_time(after) / 1e3 for before, after in pairs]


def forget_peak(device: torch.device) -> None:
    """Begin to look for the highest memory anew; a CPU's cannot be forgotten."""
    if device.type != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


class Event(NamedTuple):
    """What a profiler saw."""

    name: str
    on_device: bool
    seconds: float


def tally(events: Iterable[Event]) -> dict[str, Any]:
    """How many kernels ran, for how long, which took longest, and how often the host called to wait."""
    kernels, waits, copies = [], 0, 0
    for event in events:
        if event.on_device and event.name.startswith("Memcpy DtoH"):
            copies += 1
        elif event.on_device and not event.name.startswith(("Memcpy", "Memset")):
            kernels.append(event)
        elif event.name in WAITS:
            waits += 1
    spent: dict[str, float] = {}
    for kernel in kernels:
        spent[kernel.name] = spent.get(kernel.name, 0.0) + kernel.seconds
    calls = Counter(kernel.name for kernel in kernels)
    return {
        "kernels": len(kernels),
        "busy_seconds": sum(kernel.seconds for kernel in kernels),
        "waits": waits,
        "copies_to_host": copies,
        "top_kernels": [
            {"name": name[:120], "calls": calls[name], "seconds": seconds}
            for name, seconds in sorted(spent.items(), key=lambda item: -item[1])[:TOP]
        ],
    }


def profiled(device: torch.device, act: Callable[[], None]) -> dict[str, Any]:
    """`tally` of what the device did while `act` ran."""
    on_gpu = device.type != "cpu"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    devices.synchronise_device(device)
    with profile(activities=activities) as profiler:
        act()
        devices.synchronise_device(device)  # so that all kernels lie inside
    events = (
        Event(event.name, event.device_type == DeviceType.CUDA, event.time_range.elapsed_us() / 1e6)
        for event in profiler.events() or []
        if not event.is_user_annotation  # the optimiser's own marks, which lie over its kernels
    )
    return tally(events)


def host_syncs(device: torch.device, act: Callable[[], None]) -> list[str] | None:
    """Where in `act` the host waited for the device, a line of code for each time; None on a CPU."""
    if device.type == "cpu":
        act()
        return None
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            act()
        finally:
            torch.cuda.set_sync_debug_mode(before)
    found = [warning for warning in caught if SYNCED in str(warning.message)]
    return [f"{Path(warning.filename).name}:{warning.lineno}" for warning in found]
