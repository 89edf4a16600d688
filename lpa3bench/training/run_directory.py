"""The directory of one run: which files it holds, who may write to it, and whether it is finished."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lpa3bench.errors import DataError, InUse, RunFailed
from lpa3bench.records import Record, read_record
from lpa3bench.records.schema import Purpose, RunIdentity
from lpa3bench.runtime.files import write_text
from lpa3bench.training import identity as identities
from lpa3bench.types import SLOTS, SlotName

if TYPE_CHECKING:
    from lpa3bench.runtime.state import Checkpoints


@dataclass(frozen=True)
class Beginning:
    """What a run wrote before its first step."""

    identity: RunIdentity
    seed: int
    short: str
    """The eight digits of the identity in the run's name."""
    provenance: dict[str, Any]
    purpose: Purpose = "result"


class RunDirectory:
    """`<out>/<run id>/`. `result.json` is written last, so it is the mark of a finished run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.gin"
        self.operative = path / "operative.gin"
        self.env = path / "env.json"
        self.labels = path / "labels.npz"
        self.metrics = path / "metrics.jsonl"
        self.best = path / "best.pt"
        self.predictions = path / "predictions.npz"
        self.failure = path / "failure.json"
        self.result = path / "result.json"

    @cached_property
    def checkpoints(self) -> Checkpoints:
        from lpa3bench.runtime.state import Checkpoints  # whoever only reads results needs no torch

        return Checkpoints(self.path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the directory and keep other processes out; a process that dies leaves no lock behind.

        Raises:
            InUse: another process is at work here.
            RunFailed: the directory cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / ".lock").open("a")
        except OSError as error:
            raise RunFailed(
                f"{self.path}: cannot be written to ({error.strerror}); choose another --out", kind="disk"
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InUse(self.path) from error
            yield

    def in_use(self) -> bool:
        """Whether another process is at work here just now."""
        try:
            with (self.path / ".lock").open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # nobody has been here yet
            return False
        return False

    def beginning(self) -> Beginning:
        """What the run wrote before its first step.

        Raises:
            RunFailed: it is no run directory, or the file is damaged.
        """
        try:
            began = json.loads(self.env.read_text(encoding="utf-8"))
            defined = identities.from_plain(began)
            purpose = msgspec.convert(began.get("purpose", "result"), Purpose)  # it is not in older ones
            return Beginning(defined, began["seed"], identities.short_of(began), began["provenance"], purpose)
        except OSError as error:
            raise RunFailed(f"{self.path}: is no run directory: there is no {self.env.name}") from error
        except (ValueError, KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
            raise RunFailed(f"{self.env}: damaged ({type(error).__name__}: {error})") from error

    def record(self) -> Record | None:
        """The record of the finished run; None while there is none.

        Raises:
            RunFailed: it is damaged, or was edited.
        """
        if not self.result.exists():
            return None
        try:
            return read_record(self.result)
        except DataError as error:
            raise RunFailed(f"{error}; start over with --fresh", kind="data") from error

    @property
    def pictures(self) -> dict[SlotName, Path]:
        """Where the picture of each slot's augmentations lies, once it is made."""
        return {slot: self.path / "images" / f"{slot}.png" for slot in SLOTS}

    @property
    def exported(self) -> tuple[Path, ...]:
        """Where the weights lie, once they are exported, with their config and card."""
        return tuple(self.path / "export" / name for name in ("model.safetensors", "config.gin", "README.md"))

    def is_finished(self, purpose: Purpose = "result") -> bool:
        """Whether there is a record that can be read and serves the purpose: one that was damaged since says
        nothing."""
        try:
            record = self.record()
        except RunFailed:
            return False
        return record is not None and record.serves(purpose)

    def clear(self) -> None:
        """Remove what an earlier run left, the record first so that nobody takes the rest for finished.

        What others have put beside it stays.
        """
        files = (
            self.result, self.failure, self.env, self.metrics, self.best, self.predictions, self.labels,
        )  # fmt: skip
        made_of_it = (*self.pictures.values(), *self.exported)
        for file in (*files, *made_of_it):
            file.unlink(missing_ok=True)
        for folder in {file.parent for file in made_of_it}:
            with suppress(OSError):  # there is none, or it holds something else
                folder.rmdir()
        self.checkpoints.clear()

    def write_text(self, path: Path, text: str) -> None:
        """Write a text file, all or nothing; in UTF-8, whatever the locale."""
        write_text(path, text)

    def write_json(self, path: Path, value: Any) -> None:
        """Write a JSON file, all or nothing."""
        self.write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")
