"""What a step takes, for every task with and without LP-A3 at its published batch and network.

Three parts: the steps whose speed is a goal, then what the device and the host do in them, then all others.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import torch

from gpu_parts import ceilings, cells
from gpu_parts.budget import Item, Setting
from gpu_parts.cells import Cell, Stage
from gpu_parts.floors import Ceilings, floor, image_cost
from gpu_parts.watch import Stopwatch, forget_peak, host_syncs, profiled
from lpa3bench.runtime import device as devices

WARM_UP, LEAST, MOST = 4, 8, 40
TRIES = 4
T = TypeVar("T")
SECONDS = 4.0
"""Of timed steps, for one arm."""


BOTH = (cells.NONE, cells.LPA3)


def goals(setting: Setting) -> Iterator[Item]:
    """Times over floors, of FixMatch and PES with and without LP-A3."""
    for cell in cells.GOALS:
        for arm in BOTH:
            yield f"{cell.name} | {arm}", partial(one, setting, cell, arm, timed_row)


def waits(setting: Setting) -> Iterator[Item]:
    """Host synchronisations and kernels of the same steps."""
    for cell in cells.GOALS:
        for arm in BOTH:
            yield f"{cell.name} | {arm}", partial(one, setting, cell, arm, watched_row)


def others(setting: Setting) -> Iterator[Item]:
    """Both of every other arm of every cell; where the time is short the last cells are left out."""
    chosen = cells.ALL[: cells.QUICK] if setting.quick else cells.ALL
    for cell in cells.one_of_each_task() if setting.toy else chosen:
        for arm in BOTH if setting.toy else cell.arms:
            if cell not in cells.GOALS or arm not in BOTH:
                yield f"{cell.name} | {arm}", partial(one, setting, cell, arm, timed_row, watched_row)


Row = Callable[[Setting, Cell, str, Stage], dict[str, Any]]


def one(setting: Setting, cell: Cell, arm: str, *rows: Row) -> dict[str, Any]:
    """What there is to see of one arm of a cell."""
    gc.collect()
    forget_peak(setting.device)
    made = cells.stage(cell, arm, setting.device, toy=setting.toy)
    seen: dict[str, Any] = {}
    for row in rows:
        seen |= row(setting, cell, arm, made)
    made.env.alarm.check()
    return seen


def timed_row(setting: Setting, cell: Cell, arm: str, made: Stage) -> dict[str, Any]:
    """Time, memory and passes of a step, over the floor and over a step without LP-A3."""
    device = setting.device
    times = timed(made, device, setting)
    row: dict[str, Any] = {
        "phase": made.phase.name,
        "images_per_step": made.images,
        "step_seconds": statistics.median(times),
        "step_seconds_quartiles": quartiles(times),
        "steps_timed": len(times),
        "images_per_second": made.images / statistics.median(times),
        "peak_memory_bytes": devices.peak_memory(device),
        "forwards": undisturbed(made, made.forwards),
    }
    found = ceilings.measured(setting.results)
    row |= {} if found is None else over_floor(made, row, found)
    return row | ratios(setting, cell, arm, row)


def watched_row(setting: Setting, cell: Cell, arm: str, made: Stage) -> dict[str, Any]:
    """Where the host waits in a step, and the kernels that the device runs."""
    made.advance()  # the first step makes what later ones find
    return {
        "host_syncs": undisturbed(made, lambda: host_syncs(setting.device, made.advance)),
        "profile": undisturbed(made, lambda: profiled(setting.device, made.advance)),
    }


def timed(made: Stage, device: torch.device, setting: Setting) -> list[float]:
    """Seconds of each step, from the end of one to the end of the next, after a warm-up."""
    warm_up, least, most = (1, 2, 2) if setting.toy else (WARM_UP, LEAST, MOST)
    for _ in range(warm_up):
        made.advance()
    watch = Stopwatch(device)
    watch.mark()
    made.advance()
    watch.mark()
    (about,) = watch.laps()
    seconds = min(SECONDS / (2 if setting.quick else 1), setting.deadline.left / 2)
    for _ in range(max(least, min(most, int(seconds / max(about, 1e-6)))) - 1):
        made.advance()
        watch.mark()
    return watch.laps()


def undisturbed(made: Stage, look: Callable[[], T]) -> T:
    """What there is to see of one step that begins no new epoch or pass over the data, if one comes soon."""
    for _ in range(TRIES):
        seen = look()
        if not made.began:
            break
    return seen


def quartiles(times: list[float]) -> list[float]:
    """The first and the third."""
    if len(times) < 2:
        return [times[0], times[0]]
    first, _, third = statistics.quantiles(times, n=4)
    return [first, third]


def over_floor(made: Stage, row: dict[str, Any], found: Ceilings) -> dict[str, Any]:
    """The floor of this step, and how far above it the measured one lies."""
    spec = made.env.spec
    cost = image_cost(made.backbone(), channels=spec.channels, size=spec.weak.crop or spec.size)
    least = floor(cost, row["forwards"], found)
    return {
        "image_cost": cost._asdict(),
        "floor": least._asdict() | {"seconds": least.seconds, "bound": least.bound},
        "over_floor": row["step_seconds"] / least.seconds,
    }


def ratios(setting: Setting, cell: Cell, arm: str, row: dict[str, Any]) -> dict[str, Any]:
    """An LP-A3 step over the step without, measured and by the count of passes; nothing without it."""
    measured_steps = setting.results.get("steps", {}) | setting.results.get("other steps", {})
    plain = measured_steps.get(f"{cell.name} | {cells.NONE}")
    if arm == cells.NONE or plain is None:
        return {}
    measured = row["step_seconds"] / plain["step_seconds"]
    counted = row["forwards"] / plain["forwards"]
    return {"over_plain": measured, "counted_over_plain": counted, "excess": measured / counted}
