"""How many small runs are worth having side by side on one device: images per second of all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import multiprocessing

from gpu_parts import cells
from gpu_parts.budget import Item, Setting
from lpa3bench.runtime import device as devices

CELL = next(cell for cell in cells.ALL if cell.config == "breastmnist_supervised")
COUNTS, TOY_COUNTS = (1, 2, 4, 8), (1, 2)
SECONDS, TOY_SECONDS = 4.0, 0.5
WARM_UP = 5
PAYS = 1.05
"""Another doubling is worth it where all together get so many times further."""
PATIENCE = 240.0
"""Seconds for the processes to start."""


def part(setting: Setting) -> Iterator[Item]:
    """One cell, a published one whose runs are small."""
    yield f"{CELL.name} | {cells.LPA3}", lambda: growing(setting)


def growing(setting: Setting) -> dict[str, Any]:
    """Images per second of 1, 2, 4, … processes, up to where more of them get no further, or time is out."""
    found: dict[int, float] = {}
    for count in TOY_COUNTS if setting.toy else COUNTS:
        if found and setting.deadline.left <= 0:
            break
        found[count] = throughput(setting, count)
        before = found.get(count // 2)
        if not setting.toy and before is not None and found[count] < PAYS * before:
            break
    return {
        "processes": [*found],
        "images_per_second": [*found.values()],
        "worth_having": worth_having(found),
    }


def worth_having(found: dict[int, float]) -> int:
    """From which number on more processes get no further; the largest tried where all of them paid."""
    counts = sorted(found)
    for fewer, more in pairwise(counts):
        if found[more] < PAYS * found[fewer]:
            return fewer
    return counts[-1]


def throughput(setting: Setting, count: int) -> float:
    """Images per second of so many processes together, each with a network and data of its own.

    Raises:
        RuntimeError: one of them ended.
    """
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(count), context.SimpleQueue()
    seconds = TOY_SECONDS if setting.toy else SECONDS
    arguments = (setting.device, setting.toy, seconds, ready, results)
    started = multiprocessing.spawn(_steps, arguments, nprocs=count, join=False)
    while not started.join(timeout=1):
        pass
    return sum(results.get() for _ in range(count))


def _steps(_: int, device: torch.device, toy: bool, seconds: float, ready: Any, results: Any) -> None:
    """In a process of its own: step until the time is over, and tell how many images a second that made."""
    torch.set_num_threads(1)
    made = cells.stage(CELL, cells.LPA3, device, toy=toy)
    for _ in range(1 if toy else WARM_UP):
        made.advance()
    devices.synchronise_device(device)
    ready.wait(PATIENCE)
    images, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        made.advance()
        devices.synchronise_device(device)  # so that no queue of steps is left when the time is over
        images += made.images
    results.put(images / (time.perf_counter() - began))
