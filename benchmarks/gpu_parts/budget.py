"""Runs the parts one after the other within a time, and keeps what each of them found or why it did not."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

GRACE = 10.0
"""Seconds that a measurement may go on after its part's time, because most are nearly done by then."""


class TimeOver(Exception):
    """The time of a part ran out while something was measured."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Ends what happens in the block when the time is over, at the next line of Python that it comes to.

    Raises:
        TimeOver: it was.
    """

    def over(*_: object) -> None:
        raise TimeOver(f"not done within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Deadline:
    """A point in time, in seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then; 0 once it is over."""
        return max(0.0, self._end - time.monotonic())


@dataclass
class Setting:
    """What every measurement is told."""

    device: torch.device
    toy: bool
    """Toy networks, batches and sizes, for a CPU: the numbers mean nothing."""
    quick: bool
    """Fewer cells and fewer repeats."""
    deadline: Deadline = field(default_factory=lambda: Deadline(0))
    """Of the part that is under way."""
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By part and item."""
    failed: list[str] = field(default_factory=list)
    """One line for each item that raised."""
    left_out: list[str] = field(default_factory=list)
    """One line for each item that there was no time for."""


Item = tuple[str, Callable[[], Any]]
"""A name, and what measures it and returns plain values for the JSON file."""
Part = Callable[[Setting], Iterable[Item]]


def run(
    setting: Setting,
    parts: Mapping[str, tuple[float, Part]],
    seconds: float,
    *,
    after: Callable[[], None],
) -> None:
    """Run every part; what fails or has no time left says so in a line, and the others go on.

    Args:
        parts: by name, each with its share of the time. What a part leaves over goes to those after it.
        seconds: for all of them.
        after: called after each item, to save what there is.
    """
    whole, given = Deadline(seconds), 0.0
    for name, (share, part) in parts.items():
        given += share
        setting.deadline = Deadline(whole.left - seconds * (1 - given))
        found = setting.results.setdefault(name, {})
        for item, measure in part(setting):
            if setting.deadline.left <= 0:
                setting.left_out.append(f"{name}, {item}: no time")
                continue
            sys.stderr.write(f"{seconds - whole.left:5.0f} s  {name}: {item}\n")
            try:
                with within(setting.deadline.left + GRACE):
                    found[item] = measure()
            except TimeOver as error:
                setting.left_out.append(f"{name}, {item}: {error}")
            except Exception as error:  # whatever broke one measurement, the others are still wanted
                lines = str(error).splitlines() or [""]
                setting.failed.append(f"{name}, {item}: {type(error).__name__}: {lines[0]}")
                sys.stderr.write(f"         {setting.failed[-1]}\n")
            after()
