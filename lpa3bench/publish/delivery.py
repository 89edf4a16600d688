"""Delivers parcels to W&B. To deliver one again changes nothing, and what broke off half-way is completed.

A parcel goes out under a fixed id, and only the rows that W&B does not hold yet are sent: it is asked each
time, so nothing hangs on what is remembered here. What it has acknowledged is remembered beside the run, lest
anything be sent at all where nothing has changed, and lest rows of two trainings be mixed.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lpa3bench.errors import RunFailed, TryAgain
from lpa3bench.files import write_text
from lpa3bench.publish import process
from lpa3bench.publish.parcel import Parcel
from lpa3bench.publish.target import Deadline, Target, environment

HOME = ".wandb"
"""The folder, in a run directory or a board, for everything that publishing leaves there."""
LOSSES = ("filestream", "file transfer", "runfiles", "runupserter", "sender")
"""Parts of the SDK's service whose errors mean that something did not arrive."""
STATE = "state.json"
HEADER_BYTES = 7
"""An offline run's file that is no longer holds nothing."""
AGAIN = "nothing is lost, give the same command again later"
Status = Literal["published", "unchanged", "offline"]


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What became of a parcel."""

    id: str
    rows: int
    status: Status
    url: str | None
    folder: str | None
    """Of the offline run, where it was not uploaded."""
    keyless: bool = False
    """It was not uploaded because there is no key."""


def deliver(parcel: Parcel, place: Path, target: Target, deadline: Deadline) -> Delivered:
    """Bring W&B to hold what the parcel holds.

    Args:
        place: the run directory or board that it was read from.

    Raises:
        TryAgain: the server cannot be reached, or the time is up; nothing is lost.
        RunFailed: the SDK or the server refused it, or the disk.
    """
    with _alone(place / HOME, deadline) as home:
        state = _State(home)
        digest = parcel.digest()
        known = state.published.get(target.key)
        if target.uploads and known is not None:
            if known["digest"] == digest:
                return _outcome(parcel, "unchanged", url=known["url"])
            if parcel.rows_digest(known["rows"]) != known["rows_digest"]:
                raise RunFailed(
                    f"{place}: was trained anew since W&B took its rows ({known['url']}); delete that run "
                    f"there and {home / STATE} here, then publish again"
                )
        elif not target.uploads and state.offline is not None and state.offline["digest"] == digest:
            return _outcome(parcel, "offline", folder=state.offline["folder"])
        state.drop()
        done = _have_delivered(parcel, home, target, deadline)
        if not done["online"]:
            _check_written(Path(done["folder"]))
            state.keep({"digest": digest, "folder": done["folder"]})
            return _outcome(parcel, "offline", folder=done["folder"], keyless=target.uploads)
        if loss := _loss(Path(done["folder"])):
            raise RunFailed(f"W&B did not take all of it: {loss}")
        rows = len(parcel.rows)
        held = {"digest": digest, "rows": rows, "rows_digest": parcel.rows_digest(rows), "url": done["url"]}
        state.drop(done["folder"])
        state.acknowledge(target.key, held)
        return _outcome(parcel, "published", url=done["url"])


def _outcome(parcel: Parcel, status: Status, **more: Any) -> Delivered:
    return Delivered(
        id=parcel.id, rows=len(parcel.rows), status=status, **({"url": None, "folder": None} | more)
    )


@contextmanager
def _alone(home: Path, deadline: Deadline) -> Iterator[Path]:
    """The folder, made where there is none, kept from other processes until the block is left."""
    try:
        home.mkdir(exist_ok=True)
        (home / ".gitignore").write_text("*\n")
        lock = (home / "lock").open("a")
    except OSError as error:
        raise RunFailed(f"{home}: cannot be written to ({error.strerror})") from error
    with lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if not deadline.left:
                    raise TryAgain(f"{home}: another process is publishing this; try again later") from error
                time.sleep(0.2)
        yield home.resolve()


class _State:
    """What is remembered: an offline run that was written, and what each target holds."""

    def __init__(self, home: Path) -> None:
        self._path = home / STATE
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
            self.published: dict[str, Any] = dict(held["published"])
            self.offline: dict[str, Any] | None = held["offline"]
        except (OSError, ValueError, KeyError, TypeError):  # lost or torn: W&B is asked
            self.published, self.offline = {}, None
        if self.offline is not None and _run_file(Path(self.offline["folder"])) is None:
            self.offline = None

    def keep(self, offline: dict[str, Any]) -> None:
        """An offline run stays until there is a newer one, or W&B holds it."""
        self.offline = offline
        self._save()

    def acknowledge(self, target: str, held: dict[str, Any]) -> None:
        """The target holds this now."""
        self.published[target] = held
        self._save()

    def drop(self, *folders: str) -> None:
        """Clear away the offline run, these folders, and what processes that were killed have left."""
        home = self._path.parent
        known = [Path(folder) for folder in (*folders, *([self.offline["folder"]] if self.offline else []))]
        for place in (*known, *home.glob("wandb/*run-*"), home / "wandb" / "latest-run", home / "artifacts"):
            if place.is_symlink():
                place.unlink()
            else:
                shutil.rmtree(place, ignore_errors=True)
        self.offline = None

    def _save(self) -> None:
        held = {"offline": self.offline, "published": self.published}
        write_text(self._path, json.dumps(held, indent=1, sort_keys=True) + "\n")


def _have_delivered(parcel: Parcel, home: Path, target: Target, deadline: Deadline) -> dict[str, Any]:
    """Have the SDK deliver it; its reply."""
    order = {
        "parcel": asdict(parcel),
        "online": target.uploads,
        "project": target.project,
        "entity": target.entity,
        "seconds": deadline.left,
    }
    done = process.run(
        ["-m", "lpa3bench.sinks.wandb"],
        stdin=json.dumps(order),
        env=environment(home),
        deadline=deadline,
    )
    try:
        reply: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise RunFailed(f"the W&B SDK failed: {done.complaint}") from None
    if "unreachable" in reply:
        raise TryAgain(f"{' '.join(reply['unreachable'].split())}; {AGAIN}")
    if "refused" in reply:
        raise RunFailed(
            f"W&B refused it ({reply['refused']}); is WANDB_API_KEY, the project and the entity right?"
        )
    return reply


def _run_file(folder: Path) -> Path | None:
    """The file of a run of the SDK's, if it holds anything."""
    return next((f for f in folder.glob("run-*.wandb") if f.stat().st_size > HEADER_BYTES), None)


def _check_written(folder: Path) -> None:
    if _run_file(folder) is None:
        raise RunFailed(f"{folder}: the W&B SDK wrote nothing there")


def _loss(folder: Path) -> str | None:
    """The first thing in the SDK's log that means that something did not arrive; it says so nowhere else."""
    for log in folder.glob("logs/debug-internal*.log"):
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                said = json.loads(line)
                if said["level"].startswith("ERROR") and said["msg"].startswith(LOSSES):
                    return " ".join(filter(None, (said["msg"], said.get("error"))))[:200]
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    return None
