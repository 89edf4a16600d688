"""`metrics.jsonl`: one JSON object a line for each epoch, the truth that every mirror is fed from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from lpa3bench.errors import RunFailed
from lpa3bench.runtime.files import write_atomically
from lpa3bench.training.sinks import RunInfo, Sink


class JsonLines(Sink):
    """Appends each epoch's row to a file and flushes it to the disk.

    So the row of an epoch is safe before the checkpoint of that epoch is written, and `cut_back` finds a row
    for every epoch that a checkpoint holds.
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
        line = json.dumps(_finite(row), allow_nan=False).encode() + b"\n"
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


def cut_back(path: Path, epochs_done: int) -> int:
    """Keep the rows of the first `epochs_done` epochs, which the checkpoint holds; drop the rest.

    A last line that a kill tore goes too. The file is replaced as a whole or not at all; where nothing is to
    be dropped it is left alone.

    Returns:
        How many rows are kept: less than `epochs_done` only where somebody removed some.

    Raises:
        RunFailed: the disk refused the new file; the old one is untouched.
    """
    if not path.exists():
        return 0
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines[:epochs_done] if line.endswith(b"\n")]
    if len(kept) < len(lines):
        write_atomically(path, lambda temporary: temporary.write_bytes(b"".join(kept)))
    return len(kept)


def _finite(value: Any) -> Any:
    """The value with None in place of every NaN and infinity."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
