"""Times variants of one thing side by side, as machines are shared and noisy, and keeps what was measured."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lpa3bench.runtime.device import device_name

SPEED = Path(__file__).parent / "results" / "speed.json"
"""What the README's table of speed is made of."""


class Times(NamedTuple):
    """Seconds of each round: of the process on the CPU, and by the clock on the wall."""

    cpu: list[float]
    wall: list[float]


class Compared(NamedTuple):
    """How many times as long one of two took as the other."""

    ratio: float
    """Of the medians."""
    low: float
    high: float
    """The least and the greatest of the rounds' own ratios."""
    n: int
    """Rounds."""

    def __str__(self) -> str:
        return f"{self.ratio:.2f} ({self.low:.2f} to {self.high:.2f})  n={self.n}"


def compared(slow: list[float], fast: list[float]) -> Compared:
    """The seconds of one over those of the other, round by round."""
    paired = [one / other for one, other in zip(slow, fast, strict=True)]
    ratio = statistics.median(slow) / statistics.median(fast)
    return Compared(ratio, min(paired), max(paired), len(paired))


def against(seconds: list[float], goal: float) -> Compared:
    """What was measured over what it may take, round by round."""
    return compared(seconds, [goal] * len(seconds))


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


def keep(**measured: Any) -> None:
    """Put measurements into `results/speed.json`, in the place of those of the same name."""
    known = json.loads(SPEED.read_text(encoding="utf-8"))
    machine = f"one thread of {device_name(torch.device('cpu'))}, PyTorch {torch.__version__}, float32"
    told = {name: {**of, "machine": machine} for name, of in measured.items()}
    SPEED.write_text(json.dumps({**known, **told}, indent=1) + "\n", encoding="utf-8")
