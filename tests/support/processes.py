"""Which processes are there: those of a test are told by a variable that only they have."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="there is no /proc to see processes in"
)


def processes_with(variable: bytes) -> list[int]:
    """Processes that were started with this, `NAME=value`, in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if variable in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def assert_none_left(variable: bytes, seconds: float = 3.0) -> None:
    """No such process is there, after so many seconds at most."""
    until(lambda: not processes_with(variable), seconds)


def until(reached: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, reached
        time.sleep(0.02)
