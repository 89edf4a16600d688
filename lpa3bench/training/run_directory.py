"""The directory of one run: which files it holds, who may write to it, and whether it is finished."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lpa3bench.errors import DataError, InUse, RunFailed, printable
from lpa3bench.records import Record, read_record
from lpa3bench.records.later_scores import SCORES_FOLDER
from lpa3bench.records.schema import Count, Purpose, RunIdentity
from lpa3bench.runtime.files import read_at_most, write_text
from lpa3bench.training import identity as identities
from lpa3bench.training.saved_forms import check_checkpoint
from lpa3bench.types import SLOTS, DatasetSpec, SlotName

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
    operative: str = ""
    """SHA-256 of its `operative.gin`; "": an earlier engine began it."""
    purpose: Purpose = "result"
    spec: DatasetSpec | None = None
    """The data set's, as measured, with the run's weak view and size; None: an earlier engine began it."""


class _Env(msgspec.Struct):
    """The form of `env.json`."""

    identity: dict[str, Any]
    seed: Count
    provenance: dict[str, Any]
    operative: str = ""
    purpose: Purpose = "result"
    digest: str = ""
    """SHA-256 of the rest; "": an earlier engine wrote it."""
    spec: DatasetSpec | msgspec.UnsetType = msgspec.UNSET
    """Unset, it is left out of file and digest: files of earlier engines have none."""

    def digest_of_rest(self) -> str:
        rest = msgspec.structs.replace(self, digest="")
        return hashlib.sha256(msgspec.json.encode(rest, order="deterministic")).hexdigest()


START_OVER = "start over with --fresh"
LARGEST_ENV = 16 * 2**20
"""Bytes of an `env.json` that is worth reading."""
HELD = (errno.EAGAIN, errno.EACCES)
"""What `flock` fails with where another process has the lock; NFS may say either."""
NAME_END = re.compile(r"-([0-9a-f]{8}-s\d+)$")
"""How the name of a run's directory ends, unless somebody renamed it."""


def found_folder(out: Path, name: str) -> Path:
    """The directory in `out` of the run of that name, whether it is there or not.

    What defines the run and its seed end the name, and by these it is found, whatever else it is called: a
    name may tell the backbone or not, by how the config was put together.
    """
    exact, end = out / name, NAME_END.search(name)
    if end is not None and not exact.exists():
        for other in sorted(out.glob(f"*-{end[1]}")):
            if (other / "env.json").is_file():
                return other
    return exact


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

        return Checkpoints(self.path, check=check_checkpoint)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the directory and keep other processes out; a process that dies leaves no lock behind.

        On a disk that machines share it keeps out those of other machines, if the disk does
        (`runtime.shared_locks`).

        Raises:
            InUse: another process is at work here.
            RunFailed: the directory cannot be made, or its disk has no locks.
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
                if error.errno in HELD:
                    raise InUse(self.path) from error
                raise RunFailed(
                    f"{self.path}: its disk has no locks ({error.strerror}), so two processes could work on "
                    "one run; choose another --out, or have it mounted with locks (docs/cluster.md)",
                    kind="disk",
                ) from error
            yield

    def in_use(self) -> bool:
        """Whether another process is at work here just now."""
        try:
            file = (self.path / ".lock").open("a")
        except OSError:  # nobody has been here yet
            return False
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:  # where the disk has no locks, `locked` says so
                return error.errno in HELD
        return False

    def beginning(self) -> Beginning:
        """What the run wrote before its first step.

        Raises:
            RunFailed: it is no run directory, or the file is damaged.
        """
        try:
            env = msgspec.json.decode(read_at_most(self.env, LARGEST_ENV), type=_Env)
            began = {"identity": env.identity, "provenance": env.provenance}
            defined, short = identities.from_plain(began), identities.short_of(began)
            if env.digest not in ("", env.digest_of_rest()):
                raise ValueError("its digest is not that of what it holds")
        except FileNotFoundError as error:
            raise RunFailed(
                f"{self.path}: is no run directory: there is no {self.env.name}{_of_runs(self.path)}"
            ) from error
        except OSError as error:
            raise RunFailed(f"{self.env}: cannot be read ({error.strerror}); {START_OVER}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            why = printable(f"{type(error).__name__}: {error}".removeprefix("ValueError: "))
            message = f"{self.env}: damaged ({why[:200]}); {START_OVER}"
            raise RunFailed(message, kind="damaged") from error
        spec = None if env.spec is msgspec.UNSET else env.spec
        return Beginning(defined, env.seed, short, env.provenance, env.operative, env.purpose, spec)

    def write_beginning(
        self,
        identity: RunIdentity,
        seed: int,
        provenance: Mapping[str, Any],
        purpose: Purpose = "result",
        spec: DatasetSpec | None = None,
    ) -> None:
        """Write what `beginning` reads, with its digest and that of the `operative.gin` that lies there.

        Raises:
            RunFailed: the disk refused it.
        """
        env = _Env(identities.identity_as_json(identity), seed, dict(provenance), purpose=purpose)
        if spec is not None:
            env.spec = spec
        with suppress(FileNotFoundError):
            env.operative = hashlib.sha256(self.operative.read_bytes()).hexdigest()
        env.digest = env.digest_of_rest()
        self.write_json(self.env, msgspec.to_builtins(env))

    def finished(self) -> Record | None:
        """The record of the finished run, if it is this run's; None while there is none.

        Raises:
            DataError: it is damaged, or was edited, or is that of another run.
        """
        if not self.result.exists():
            return None
        record = read_record(self.result)
        own = f"{record.identity}-s{record.seed}"
        for place, other in self._names():
            if own != other:
                raise DataError(
                    f"is the record of another run ({own}) than {place} ({other})", path=self.result
                )
        return record

    def _names(self) -> Iterator[tuple[str, str]]:
        """By whom this run is said to be what, `<identity>-s<seed>`."""
        try:
            began = self.beginning()
        except RunFailed:  # whoever needs that file says what is wrong with it
            return
        if began.short != began.identity.short:
            return  # of an engine whose records have had another identity since
        yield self.env.name, f"{began.short}-s{began.seed}"
        if named := NAME_END.search(self.path.resolve().name):
            yield "its directory", named[1]

    def record(self) -> Record | None:
        """The same, for whoever would run it.

        Raises:
            RunFailed: the record is damaged, or was edited, or is that of another run.
        """
        try:
            return self.finished()
        except DataError as error:
            raise RunFailed(f"{error}; {START_OVER}", kind="damaged") from error

    @property
    def pictures(self) -> dict[SlotName, Path]:
        """Where the picture of each slot's augmentations lies, once it is made."""
        return {slot: self.path / "images" / f"{slot}.png" for slot in SLOTS}

    @property
    def exported(self) -> tuple[Path, ...]:
        """Where the weights lie, once they are exported, with their config and card."""
        return tuple(self.path / "export" / name for name in ("model.safetensors", "config.gin", "README.md"))

    @property
    def scored_later(self) -> tuple[Path, ...]:
        """What its weights scored later."""
        return tuple(sorted((self.path / SCORES_FOLDER).glob("*.json")))

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
        made_of_it = (*self.pictures.values(), *self.exported, *self.scored_later)
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


def _of_runs(path: Path) -> str:
    """What to do where it holds run directories instead."""
    inside = sorted(place.parent.name for place in path.glob("*/env.json"))
    return f"; name one of the {len(inside)} in it, as {path / inside[0]}" if inside else ""
