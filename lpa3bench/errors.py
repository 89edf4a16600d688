"""What can go wrong, and the exit code each kind of failure ends with.

A `BenchError` is the user's business: the command line prints its one line and exits with `exit_code`.
Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

FailureKind = Literal[
    "diverged", "out_of_memory", "disk", "damaged", "in_use", "lost", "stopped", "killed",
    "usage", "config", "data", "plugin", "bug", "other",
]  # fmt: skip
"""What went wrong, for programs; docs/records.md says what each one means."""


class BenchError(Exception):
    """A failure with one line that says what is wrong, where, and what to do."""

    exit_code = 1
    kind: FailureKind = "other"


class RunFailed(BenchError):
    """The run itself went wrong: a NaN loss, a full disk, an augmenter that left the image range.

    Args:
        kind: what programs are to make of it; a suite's search takes a trial that "diverged" for a bad draw.
        step: the step at which it happened, where that is known.
    """

    def __init__(self, message: str, *, kind: FailureKind = "other", step: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.step = step


class UsageError(BenchError):
    """The command line asked for something that cannot be."""

    exit_code = 2
    kind = "usage"


class ConfigError(BenchError):
    """A gin file or a `-p` binding is wrong; the message opens with file and line."""

    exit_code = 3
    kind = "config"


class DataError(BenchError):
    """A data set or a record is missing or damaged.

    Args:
        path: the file or folder, to open the message with.
    """

    exit_code = 4
    kind = "data"

    def __init__(self, reason: str, *, path: Path | None = None) -> None:
        super().__init__(reason if path is None else f"{path}: {reason}")
        self.reason = reason
        self.path = path


class PluginError(BenchError):
    """A plugin that the command needs is broken, or one name is claimed twice."""

    exit_code = 5
    kind = "plugin"


class TryAgain(BenchError):
    """Something outside is away for now, W&B's server say; the same command later may succeed."""

    exit_code = 75
    kind: FailureKind = "lost"


class InUse(TryAgain):
    """Another process holds the lock of a run directory.

    Args:
        path: the run directory.
    """

    kind = "in_use"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: another process is working on this run")
        self.path = path


class Stopped(BenchError):
    """A signal ended the run at a step; its checkpoint is on disk (exit 130 for SIGINT, 143 for SIGTERM)."""

    kind = "stopped"

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class RenamedWarning(FutureWarning):
    """A config uses a name that a parameter had once; the command line prints it as one line."""


class DamagedWarning(UserWarning):
    """A file of a run is damaged, and another one or none is used; the command line prints it as one line."""


def printable(text: str) -> str:
    """The text in one line, without signs that a terminal would obey: a plugin's message may hold some."""
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.splitlines()))


@contextmanager
def blamed(who: str) -> Iterator[None]:
    """What a plugin's code raises inside the block becomes one line that names it.

    Raises:
        PluginError: the code raised something; a `BenchError` passes as it is.
        RunFailed: the device's memory is full.
    """
    try:
        yield
    except BenchError:
        raise
    except (Exception, SystemExit) as error:  # a plugin that exits would end the run without a word
        text = str(error).splitlines()
        reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
        if type(error).__name__ == "OutOfMemoryError":  # torch's own; this file imports no torch
            message = f"{who}: out of memory on the device; take a smaller batch_size"
            raise RunFailed(message, kind="out_of_memory") from error
        raise PluginError(f"{who} failed ({reason}); LPA3BENCH_TRACEBACK=1 shows where") from error
