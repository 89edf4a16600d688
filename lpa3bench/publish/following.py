"""Publishes a run while it is under way, in a process beside it that the run knows nothing of."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lpa3bench.errors import BenchError
from lpa3bench.publish.delivery import Delivered, deliver
from lpa3bench.publish.parcel import Parcel
from lpa3bench.publish.run_parcel import read_run
from lpa3bench.publish.target import Deadline, Target
from lpa3bench.training.run_directory import RunDirectory

PAUSE = 15.0
"""Seconds between two deliveries, at least."""
SHARE = 10
"""A pause is this many times as long as the delivery before it, so that the run loses little."""
LOOK = 0.5
"""Seconds between two looks at whether the run is still under way."""


def follow(
    path: Path,
    target: Target,
    *,
    timeout: float,
    last: Callable[[], Parcel],
    tell: Callable[[str], None],
    pause: float = PAUSE,
) -> Delivered:
    """Publish what a run has written so far, now and then, until it is over; then the rest of it.

    A run is over when its record is there or its process is gone. What goes wrong before that is told and
    tried again.

    Args:
        path: the run directory.
        timeout: seconds that one delivery may take.
        last: reads what is published at the end.
        tell: takes a line for the log.
        pause: seconds between two deliveries, at least.

    Raises:
        BenchError: the last delivery failed.
    """
    folder = RunDirectory(path)
    due = time.monotonic() + pause
    while folder.in_use() and not folder.result.exists():
        if target.uploads and time.monotonic() >= due:
            began = time.monotonic()
            try:
                done = deliver(read_run(path, images=False), path, target, Deadline(timeout))
                tell(f"{done.rows} epochs: {done.status}")
            except BenchError as error:
                tell(str(error))
            took = time.monotonic() - began
            due = time.monotonic() + max(pause, SHARE * took)
        time.sleep(LOOK)
    return deliver(last(), path, target, Deadline(timeout))
