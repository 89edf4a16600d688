"""What an engine does: it starts runs as processes where there is room, and says how they ended."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lpa3bench.errors import FailureKind, RunFailed, printable

LOG_TAIL = 65536
"""Bytes at the end of a log in which `failure_line` looks."""


@dataclass(frozen=True)
class Launch:
    """What to start. Plain values alone, so that it travels to other machines."""

    arguments: tuple[str, ...]
    """What stands after `lpa3bench run`."""
    environment: Mapping[str, str]
    """What to add to the environment."""
    cwd: str
    log: str
    """The file that takes what the process prints, after what earlier ones printed."""
    folder: str = ""
    """The run directory."""


@dataclass(frozen=True)
class EndedRun:
    """A run whose process is over."""

    name: str
    code: int
    """Its exit status; negative where a signal killed it."""
    cause: str
    """For people, in one line; empty where all went well."""
    kind: FailureKind | None = None
    """What went wrong, where the engine itself knows it: the process was not started, or its machine died."""


class Engine(ABC):
    """Where runs are started. Its methods are called by one thread."""

    on_stop = "stopping all runs"
    """For people: what it does when the suite is stopped."""

    @property
    def after_stop(self) -> str:
        """For people: what is to be known after that."""
        return "the same command goes on"

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many runs are under way at once, at most."""

    @abstractmethod
    def has_room(self) -> bool:
        """Whether another one may be handed in."""

    def holds(self, name: str) -> bool:
        """Whether it does this run already, for a suite before: handed in, it is not started anew."""
        return False

    @abstractmethod
    def submit(self, name: str, launch: Launch) -> None:
        """Start it, or queue it to be started."""

    @abstractmethod
    def poll(self) -> list[EndedRun]:
        """Those that ended since the last call; waits for nothing."""

    @abstractmethod
    def stop(self, number: int) -> None:
        """Send the signal to every process that is under way, and start no queued one."""

    @abstractmethod
    def close(self) -> None:
        """Kill what is still under way, and free everything."""


def start_run(launch: Launch, extra: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the run: in a session of its own, so that no key of a terminal reaches it, and by `parent_death`,
    so that it ends with the process that started it.

    Raises:
        RunFailed: the log cannot be written, or the system has no room for a process.
    """
    log = Path(launch.log)
    starter = [sys.executable, "-m", "lpa3bench.suites.parent_death", str(os.getpid())]
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(log_heading(launch.arguments))
            file.flush()
            return subprocess.Popen(
                [*starter, "run", *launch.arguments],
                cwd=launch.cwd,
                env={**os.environ, **launch.environment, **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise RunFailed(f"it cannot be started with the log {log} ({error.strerror})") from error


def log_heading(arguments: Sequence[str]) -> bytes:
    """The line before what a run prints."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return f"--- {now}  lpa3bench run {printable(shlex.join(arguments))}\n".encode()


def failure_line(log: Path, code: int) -> str:
    """For people: why the run ended with this exit status, by its last error, else its last line."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        text = ""
    lines = [line.strip() for line in text.rpartition("\n--- ")[2].splitlines()[1:] if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or [f"exit status {code}, nothing printed"])[-1]
