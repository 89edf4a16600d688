"""Python processes with a time limit: W&B's SDK and plugins may hang, and must not take us with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

from lpa3bench.errors import TryAgain
from lpa3bench.publish.target import Deadline


@dataclass(frozen=True)
class EndedProcess:
    """A process that has ended by itself."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def error_line(self) -> str:
        """For people: the last line that speaks of an error, else the last line."""
        lines = [line.strip() for line in (self.stdout + "\n" + self.stderr).splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower() and "debug" not in line.lower()]
        return (errors or lines or [f"ended with {self.returncode}"])[-1]


def run_python(arguments: list[str], *, env: dict[str, str], deadline: Deadline, stdin: str) -> EndedProcess:
    """Run Python with these arguments, in a session of its own, until it ends or the time is up.

    When the time is up its whole process group is killed; the SDK's own service ends when its parent has
    ended. What they print goes to files, because that service would keep a pipe open and us waiting at its
    other end.

    Raises:
        TryAgain: the time is up.
    """
    with ExitStack() as files:
        given, out, err = (files.enter_context(TemporaryFile()) for _ in range(3))
        given.write(stdin.encode())
        given.seek(0)
        process = subprocess.Popen(
            [sys.executable, *arguments], env=env, stdin=given, stdout=out, stderr=err, start_new_session=True
        )
        try:
            returncode = process.wait(deadline.left)
        except subprocess.TimeoutExpired:
            raise TryAgain(
                f"W&B has not answered within {deadline.seconds:g} seconds; nothing is lost, "
                "give the same command again later, or a longer --timeout"
            ) from None
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return EndedProcess(returncode, _content(out), _content(err))


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
