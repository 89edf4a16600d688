"""One run as a process: started, and what its last words were. Imports nothing heavy."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lpa3bench.errors import RunFailed

TAIL = 65536
"""Bytes at the end of a log in which the last words are looked for."""


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


def start(launch: Launch, extra: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the run: in a session of its own, so that no key of a terminal reaches it, and on a leash, so
    that it ends with the process that started it.

    Raises:
        RunFailed: the log cannot be written, or the system has no room for a process.
    """
    log = Path(launch.log)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            now = datetime.now().astimezone().isoformat(timespec="seconds")
            file.write(f"--- {now}  lpa3bench run {shlex.join(launch.arguments)}\n".encode())
            file.flush()
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "lpa3bench.suites.parent_death",
                    str(os.getpid()),
                    "run",
                    *launch.arguments,
                ],
                cwd=launch.cwd,
                env={**os.environ, **launch.environment, **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise RunFailed(f"it cannot be started with the log {log} ({error.strerror})", kind="disk") from error


def last_words(log: Path, code: int) -> str:
    """Why the run ended with this exit status, in one line: its error, else the last that it printed."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        text = ""
    lines = [line.strip() for line in text.rpartition("\n--- ")[2].splitlines()[1:] if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or [f"exit status {code}, without a word"])[-1]
