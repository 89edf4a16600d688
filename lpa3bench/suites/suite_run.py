"""One run of a suite: what to start, and what its directory says about it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from lpa3bench.records.schema import Number, Purpose
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.types import SCORED

RunState = Literal["done", "begun", "new"]
LAST_ROW_BYTES = 65536
"""At the end of a curve: they hold its last row."""


@dataclass(frozen=True)
class SuiteRun:
    """A cell with a seed, and where it is done."""

    name: str
    """Of its directory."""
    cell: str
    """As it stands in the suite file; of a trial, with what was drawn."""
    seed: int
    epochs: int
    out: Path
    arguments: tuple[str, ...]
    """What stands after `lpa3bench run`."""
    purpose: Purpose = "result"
    """A trial of a search is an aid."""

    @property
    def folder(self) -> RunDirectory:
        """Its directory, which need not exist."""
        return RunDirectory(self.out / self.name)

    @property
    def log(self) -> Path:
        """What its processes printed."""
        return self.out / ".logs" / f"{self.name}.log"

    @property
    def is_finished(self) -> bool:
        """Whether its directory has a record that serves its purpose."""
        return self.folder.is_finished(self.purpose)

    @property
    def state(self) -> RunState:
        """Done: finished; begun: with a checkpoint to go on from."""
        if self.is_finished:
            return "done"
        return "begun" if self.folder.checkpoints.paths() else "new"

    def last_row(self) -> dict[str, Any]:
        """The row of the last epoch that was scored; empty before there is one."""
        try:
            with self.folder.metrics.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_ROW_BYTES))
                lines = file.read().split(b"\n")[:-1]  # what follows the last newline is being written
            return msgspec.json.decode(lines[-1], type=dict[str, Number]) if lines else {}
        except (OSError, ValueError, RecursionError):
            return {}

    @property
    def share_done(self) -> float:
        """Epochs done, as a share of all, in [0, 1]."""
        epoch = self.last_row().get("epoch")
        return min((epoch + 1) / self.epochs, 1.0) if isinstance(epoch, int) else 0.0


def shown_score(row: dict[str, Any]) -> tuple[str, str]:
    """The score in a row of the curve, for people: ("val/accuracy", "0.9130"); two empty texts without one.

    That of the validation split where there is one, by the metric that selects, which stands first.
    """
    for split in SCORED:
        for name, value in row.items():
            if name.startswith(f"{split}/") and isinstance(value, float):
                return name, f"{value:.4f}"
    return "", ""
