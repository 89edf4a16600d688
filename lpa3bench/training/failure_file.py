"""`failure.json` in a run directory: how the last attempt at the run ended, for programs to read.

It is there from an error to the next attempt, which removes it. An attempt that was killed leaves none, nor
does one that never held the lock of the run directory: those have their exit codes.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from lpa3bench.errors import BenchError, FailureKind, printable
from lpa3bench.records.schema import Count
from lpa3bench.runtime.files import read_at_most, write_text

if TYPE_CHECKING:
    from lpa3bench.training.run_directory import RunDirectory

FAILURE_SCHEMA_VERSION = 1
LARGEST_FAILURE = 2**20
"""Bytes of a file that is worth reading."""


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


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """The form of the file."""

    schema_version: Literal[1]
    kind: FailureKind
    message: str
    exit_code: int
    epochs_done: Count
    step: Count | None
    when: str


def read_failure(path: Path) -> Failure | None:
    """The failure that the file tells of; None where there is none, or the file is damaged."""
    try:
        found = msgspec.json.decode(read_at_most(path, LARGEST_FAILURE), type=_Written)
    except (OSError, ValueError, RecursionError):
        return None
    return Failure(**{field.name: getattr(found, field.name) for field in fields(Failure)})


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
