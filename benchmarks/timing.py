"""Times variants of one thing side by side, as machines are shared and noisy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class Times(NamedTuple):
    """Seconds of each round: of the process on the CPU, and by the clock on the wall."""

    cpu: list[float]
    wall: list[float]


def interleaved(variants: dict[str, Callable[[], None]], rounds: int) -> dict[str, Times]:
    """Each round runs every variant once, beginning with another one each time; one round goes before."""
    names = list(variants)
    times = {name: Times([], []) for name in names}
    for turn in range(rounds + 1):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            wall, cpu = time.perf_counter(), time.process_time()
            variants[name]()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            if turn > 0:
                times[name].cpu.append(cpu)
                times[name].wall.append(wall)
    return times
