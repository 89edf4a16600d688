"""`metrics.jsonl`: one JSON object a line for each epoch, the truth that every mirror is fed from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from lpa3bench.errors import DataError, RunFailed
from lpa3bench.runtime.files import read_at_most, write_atomically
from lpa3bench.training.sinks import RunInfo, Sink

LARGEST_METRICS = 256 * 2**20
"""Bytes of a file that is worth reading."""


class JsonLines(Sink):
    """Appends each epoch's row to a file and flushes it to the disk.

    So the row of an epoch is safe before the checkpoint of that epoch is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None

    def start(self, info: RunInfo) -> None:
        self._file = FileIO(self.path, "a")

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Write the row; a number that is not finite becomes null, as JSON has no word for it.

        Raises:
            RunFailed: the disk refused it.
        """
        assert self._file is not None, "the sink was not started"
        line = _line(row)
        try:
            while line:  # a full disk takes a part of it first, then raises
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RunFailed(
                f"{self.path}: could not be written ({error}); "
                "free some space and give the same command again",
                kind="disk",
            ) from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def restore(path: Path, curve: Sequence[Mapping[str, Any]]) -> None:
    """Make the file hold the rows of the epochs that the checkpoint holds, and no other.

    What a kill tore or a disk lost goes, and so does what came after the checkpoint. The file is replaced as
    a whole or not at all; where it is as it should be it is left alone.

    Args:
        curve: the rows with the seconds of training, which this file has never told.

    Raises:
        RunFailed: the disk refused the new file; the old one is untouched.
    """
    content = metrics_text(curve).encode()
    try:
        same = read_at_most(path, len(content)) == content
    except (OSError, ValueError):
        same = False
    if not same and (content or path.exists()):
        write_atomically(path, lambda temporary: temporary.write_bytes(content))


def metrics_text(curve: Sequence[Mapping[str, Any]]) -> str:
    """What the file holds of a run of this curve, once it is finished."""
    rows = ({name: value for name, value in row.items() if name != "seconds"} for row in curve)
    return b"".join(map(_line, rows)).decode()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a run that is under way, none where there is no file; a last line without its end is being
    written.

    Raises:
        DataError: the file is damaged: a line is no row, or not that of its epoch.
    """
    try:
        lines = read_at_most(path, LARGEST_METRICS).split(b"\n")[:-1]
        rows = [msgspec.json.decode(line, type=dict[str, Any]) for line in lines]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=path) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"damaged ({error})", path=path) from error
    for epoch, row in enumerate(rows):
        if row.get("epoch") != epoch:
            raise DataError(f"damaged (line {epoch + 1} is not that of epoch {epoch})", path=path)
    return rows


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(_finite(row), allow_nan=False).encode() + b"\n"


def _finite(value: Any) -> Any:
    """The value with None in place of every NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
