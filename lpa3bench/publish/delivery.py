"""Delivers parcels to W&B. To deliver one again changes nothing, and what broke off half-way is completed.

A parcel goes out under a fixed id, and only the rows that W&B does not hold yet are sent: it is asked before
anything is. What it has acknowledged is remembered beside the run, so that it is not even asked where nothing
has changed here, and that rows of two trainings are not mixed; without that memory it is asked.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lpa3bench.errors import RunFailed, TryAgain
from lpa3bench.publish import process
from lpa3bench.publish.parcel import Parcel
from lpa3bench.publish.target import Deadline, Target, environment, writes_to
from lpa3bench.runtime.files import write_text

HOME = ".wandb"
"""The folder, in a run directory say, for everything that publishing leaves there."""
LOSSES = ("filestream", "file transfer", "runfiles", "runupserter", "sender")
"""Parts of the SDK's service whose errors mean that something did not arrive."""
REFUSALS = ("401", "403")
"""In the text of such an error: to try again would not help."""
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
        place: the run directory that it was read from, or what stands for a board.

    Raises:
        TryAgain: the server cannot be reached, or the time is up; nothing is lost.
        RunFailed: the SDK or the server refused it, or the disk.
    """
    with _alone(place / HOME, deadline) as home:
        state = _State(home, parcel.id)
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
            return _outcome(parcel, "offline", folder=str(state.folder))
        state.drop()
        done = _have_delivered(parcel, home, target, deadline)
        if not done["online"]:
            _check_written(Path(done["folder"]))
            state.keep(digest, Path(done["folder"]))
            return _outcome(parcel, "offline", folder=done["folder"], keyless=target.uploads)
        if loss := _loss(Path(done["folder"])):
            if any(code in loss for code in REFUSALS):
                raise RunFailed(f"W&B did not take all of it: {loss}")
            raise TryAgain(f"W&B did not take all of it: {loss}; {AGAIN}")
        rows = len(parcel.rows)
        held = {"digest": digest, "rows": rows, "rows_digest": parcel.rows_digest(rows), "url": done["url"]}
        state.drop(Path(done["folder"]))
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
        home.mkdir(parents=True, exist_ok=True)
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
    """What is remembered: an offline run that was written, and what each target holds.

    The file may have been copied along with its run directory, so of a folder it holds the name alone; and
    nothing is deleted but folders of this very run's, where the SDK writes now.
    """

    def __init__(self, home: Path, run_id: str) -> None:
        self._home, self._id = home, run_id
        self._path = home / STATE
        self.published: dict[str, dict[str, Any]] = {}
        self.offline: dict[str, str] | None = None
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
            for target, known in held["published"].items():
                of_target = {name: known[name] for name in ("digest", "rows", "rows_digest", "url")}
                self.published[str(target)] = of_target
            if held["offline"] is not None:
                self.offline = {name: str(held["offline"][name]) for name in ("digest", "folder")}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # lost or torn: W&B is asked
            self.published, self.offline = {}, None
        if self.folder is None or _run_file(self.folder) is None:
            self.offline = None

    @property
    def folder(self) -> Path | None:
        """Of the offline run that is remembered, if it is there and this run's."""
        if self.offline is None:
            return None
        places = (place / self.offline["folder"] for place in writes_to(self._home))
        return next((place for place in places if self._is_own(place) and place.is_dir()), None)

    def keep(self, digest: str, folder: Path) -> None:
        """An offline run stays until there is a newer one, or W&B holds it."""
        self.offline = {"digest": digest, "folder": folder.name}
        self._save()

    def acknowledge(self, target: str, held: dict[str, Any]) -> None:
        """The target holds this now."""
        self.published[target] = held
        self._save()

    def drop(self, *folders: Path) -> None:
        """Clear away the offline run, these folders, and what processes that were killed have left."""
        known = [*folders, *([self.folder] if self.folder is not None else [])]
        left = self._home / "wandb"
        for place in (*known, *left.glob("*run-*")):
            if self._is_own(place):
                shutil.rmtree(place, ignore_errors=True)
        (left / "latest-run").unlink(missing_ok=True)
        if not (artifacts := self._home / "artifacts").is_symlink():
            shutil.rmtree(artifacts, ignore_errors=True)
        self.offline = None

    def _is_own(self, folder: Path) -> bool:
        """Whether it lies in our own folder, or is this very run's where the SDK writes now."""
        named = re.fullmatch(r"(?:offline-)?run-\d+_\d+-(.+)", folder.name)
        if named is None or folder.is_symlink() or folder.parent.is_symlink():
            return False
        return folder.parent == self._home / "wandb" or (
            named[1] == self._id and folder.parent in writes_to(self._home)
        )

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
        ["-m", "lpa3bench.publish.sdk"],
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
