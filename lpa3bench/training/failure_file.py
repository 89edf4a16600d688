"""`failure.json` in a run directory: how the last attempt at the run ended, for programs to read.

It is there from an error to the next attempt, which removes it. An attempt that was killed leaves none, nor
does one that never held the lock of the run directory: those have their exit codes.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from lpa3bench.errors import BenchError, FailureKind, printable
from lpa3bench.runtime.files import write_text

if TYPE_CHECKING:
    from lpa3bench.training.run_directory import RunDirectory

FAILURE_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Failure:
    """What `failure.json` holds."""

    kind: FailureKind
    message: str
    """One line, as it was printed."""
    exit_code: int
    epochs_done: int
    """Whole epochs of which the metrics are on the disk."""
    step: int | None
    """The step at which it happened, counted over the whole run; None where it is not known."""
    when: str
    """UTC, ISO 8601 with microseconds: it tells two attempts apart."""


def read_failure(path: Path) -> Failure | None:
    """The failure that the file tells of; None where there is none, or the file is damaged."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("schema_version") != FAILURE_SCHEMA_VERSION or data["kind"] not in get_args(FailureKind):
            return None
        failure = Failure(**data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    whole = isinstance(failure.message, str) and isinstance(failure.exit_code, int)
    return failure if whole else None


@contextmanager
def recorded_failure(folder: RunDirectory) -> Iterator[None]:
    """Write `failure.json` if the block raises, after removing that of an earlier attempt.

    Only for the process that holds the directory's lock. A disk that takes nothing more gets no file.
    """
    with suppress(OSError):
        folder.failure.unlink(missing_ok=True)
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        with suppress(OSError, BenchError):
            data = {"schema_version": FAILURE_SCHEMA_VERSION, **asdict(_failure(error, folder.metrics))}
            write_text(folder.failure, json.dumps(data, indent=1) + "\n")
        raise


def _failure(error: BaseException, metrics: Path) -> Failure:
    kind: FailureKind = "bug"
    message, code = f"{type(error).__name__}: {error}".removesuffix(": "), 1
    if isinstance(error, BenchError):
        kind, message, code = error.kind, str(error), error.exit_code
    elif isinstance(error, KeyboardInterrupt):
        kind, message, code = "stopped", "interrupted", 128 + signal.SIGINT
    elif type(error).__name__ == "OutOfMemoryError":  # torch's own; this file imports no torch
        kind = "out_of_memory"
    return Failure(
        kind=kind,
        message=printable(message),
        exit_code=code,
        epochs_done=metrics.read_bytes().count(b"\n") if metrics.exists() else 0,
        step=getattr(error, "step", None),
        when=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
