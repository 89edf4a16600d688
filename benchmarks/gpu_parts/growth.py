"""How time and memory grow: with inner iterations, selected images, the data set's size, and steps."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from gpu_parts import cells
from gpu_parts.budget import Item, Setting
from gpu_parts.watch import Stopwatch, forget_peak
from lpa3bench.runtime import device as devices

CELL = cells.ALL[0]
ITERATIONS, TOY_ITERATIONS = (1, 2, 5, 10), (1, 2, 3)
RATIOS, TOY_RATIOS = (0.1, 0.3, 0.6, 0.9), (0.3, 0.6, 0.9)
SIZES, TOY_SIZES = (5_000, 50_000, 200_000), (200, 400)
STEPS, TOY_STEPS = (5, 25, 50), (2, 4)
WARM_UP, TIMED = 3, 9


def part(setting: Setting) -> Iterator[Item]:
    """FixMatch + LP-A3, its published batch and network."""
    iterations = TOY_ITERATIONS if setting.toy else ITERATIONS
    ratios = TOY_RATIOS if setting.toy else RATIOS
    sizes = TOY_SIZES if setting.toy else SIZES
    yield (
        "time against inner iterations",
        lambda: line(iterations, [step_seconds(setting, f"LPA3.iterations={k}") for k in iterations]),
    )
    yield (
        "time against the share selected",
        lambda: line(ratios, [step_seconds(setting, f"LPA3.ratio={ratio}") for ratio in ratios]),
    )
    yield (
        "time against the data set's size",
        lambda: flatness(sizes, [step_seconds(setting, images=size) for size in sizes]),
    )
    yield "memory against steps", lambda: memory(setting)


def step_seconds(setting: Setting, *bindings: str, images: int | None = None) -> float:
    """The median step with these bindings."""
    gc.collect()
    made = cells.stage(CELL, cells.LPA3, setting.device, toy=setting.toy, bindings=bindings, images=images)
    for _ in range(1 if setting.toy else WARM_UP):
        made.advance()
    watch = Stopwatch(setting.device)
    watch.mark()
    for _ in range(3 if setting.toy else TIMED):
        made.advance()
        watch.mark()
    return statistics.median(watch.laps())


def line(x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    """The straight line through the points, and how much of their variance it leaves unexplained."""
    slope, intercept = statistics.linear_regression(x, y)
    middle = statistics.fmean(y)
    rest = sum((b - intercept - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    whole = sum((b - middle) ** 2 for b in y)
    return {
        "x": list(x),
        "seconds": list(y),
        "intercept": intercept,
        "slope": slope,
        "r_squared": 1 - rest / whole if whole > 0 else 1.0,
    }


def flatness(x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    """The largest value over the smallest."""
    return {"x": list(x), "seconds": list(y), "largest_over_smallest": max(y) / min(y)}


def memory(setting: Setting) -> dict[str, Any]:
    """Peak and held bytes after few and after many steps; on a CPU the process's highest so far."""
    gc.collect()
    made = cells.stage(CELL, cells.LPA3, setting.device, toy=setting.toy)
    forget_peak(setting.device)
    counts, peaks, held, done = TOY_STEPS if setting.toy else STEPS, [], [], 0
    for count in counts:
        while done < count:
            made.advance()
            done += 1
        devices.synchronise_device(setting.device)
        peaks.append(devices.peak_memory(setting.device))
        held.append(0 if setting.device.type == "cpu" else torch.cuda.memory_allocated(setting.device))
    return {"steps": list(counts), "peak_bytes": peaks, "held_bytes": held, "growth": peaks[-1] / peaks[0]}
