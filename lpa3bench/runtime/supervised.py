"""Python processes that leave nothing behind: when one is over, all that it has started is over too.

W&B's SDK and plugins may hang, start services in sessions of their own, and be killed half-way. Between us
and them stands `python -m lpa3bench.runtime.supervised PARENT SECONDS COMMAND…`: it ends the command and all
its descendants when the command is over, when the time is up, and when process PARENT has died (of kill -9).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

PR_SET_CHILD_SUBREAPER = 36
"""Of Linux's prctl(2): descendants whose parent has died become children of this process, not of init."""
TIMED_OUT = 124
"""The exit status when the time is up, as of timeout(1)."""
ABANDONED = 125
"""The exit status when PARENT has died; nobody is there to read it."""
ADVERTISEMENT = "For further information visit"
"""How pydantic ends what it has to say."""
LOOK_SECONDS = 0.05
KILL_SECONDS = 5.0
"""For killed processes to be gone; one that the kernel holds back may take for ever."""


@dataclass(frozen=True)
class EndedProcess:
    """A process that has ended by itself."""

    returncode: int
    """128 + the number of the signal, if one has ended it."""
    stdout: str
    stderr: str

    @property
    def error_line(self) -> str:
        """For people: the last line that speaks of an error, else the last line."""
        lines = [line.strip() for line in (self.stdout + "\n" + self.stderr).splitlines() if line.strip()]
        lines = [line for line in lines if not line.startswith(ADVERTISEMENT)]
        errors = [line for line in lines if "error" in line.lower() and "debug" not in line.lower()]
        return (errors or lines or [f"ended with {self.returncode}"])[-1]


def run_python(arguments: list[str], *, env: dict[str, str], seconds: float, stdin: str) -> EndedProcess:
    """Run Python with these arguments, in a session of its own, until it ends or the time is up.

    What they print goes to files, because a service of theirs may keep a pipe open and us waiting at its end.

    Raises:
        TimeoutError: the time is up.
    """
    with ExitStack() as files:
        given, out, err = (files.enter_context(TemporaryFile()) for _ in range(3))
        given.write(stdin.encode())
        given.seek(0)
        supervisor = [sys.executable, "-m", "lpa3bench.runtime.supervised", str(os.getpid()), str(seconds)]
        process = subprocess.Popen(
            [*supervisor, sys.executable, *arguments],
            env=env,
            stdin=given,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            returncode = process.wait()
        finally:
            if process.poll() is None:  # we are interrupted
                process.terminate()
                process.wait()
        if returncode == TIMED_OUT:
            raise TimeoutError(f"not over within {seconds:g} seconds")
        return EndedProcess(returncode, _content(out), _content(err))


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def kill_descendants(root: int) -> None:
    """Kill all that a process has started: its descendants, and who shares a session with one of them.

    Its process group would not do: whoever starts a service gives it a group, or a session, of its own. Where
    there is no /proc to see processes in, nothing is killed.
    """
    known, until = {root}, time.monotonic() + KILL_SECONDS
    nothing_left = 0
    while nothing_left < 2 and time.monotonic() < until:  # one that is just forking may escape the first look
        living = _living()
        while more := {pid for pid, kin in living.items() if pid not in known and known.intersection(kin)}:
            known |= more
        left = (known & living.keys()) - {root}
        nothing_left = 0 if left else nothing_left + 1
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _living() -> dict[int, tuple[int, int]]:
    """Parent and session of every process here that has not ended; empty where there is no /proc."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, parent, _, session = file.read_text(errors="replace").rpartition(")")[2].split()[:4]
            if state != "Z":
                found[int(file.parent.name)] = int(parent), int(session)
    return found


def main() -> int:
    """Run the command, and return its exit status when nothing of it is left."""
    parent, seconds, *command = sys.argv[1:]
    until = time.monotonic() + float(seconds)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    child = None
    try:
        child = subprocess.Popen(command)
        while (code := child.poll()) is None:
            if time.monotonic() >= until:
                return TIMED_OUT
            if os.getppid() != int(parent):
                return ABANDONED
            time.sleep(LOOK_SECONDS)
        return code if code >= 0 else 128 - code
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if child is not None:
            child.kill()
        kill_descendants(os.getpid())


if __name__ == "__main__":
    sys.exit(main())
