"""Delivers parcels to W&B. To deliver one again changes nothing, and what broke off half-way is completed.

A parcel goes out whole under a fixed id: W&B's history is a file that is written from its first line on, so
the same rows land in the same places. What W&B has acknowledged is remembered beside the run, so that nothing
is sent twice; a written parcel stays there until it is acknowledged, and is sent again as it is. If all of
that is lost, a new one with the same rows takes the place of the old ones.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from lpa3bench.errors import RunFailed, TryAgain
from lpa3bench.files import write_text
from lpa3bench.publish import process
from lpa3bench.publish.parcel import Parcel
from lpa3bench.publish.target import Deadline, Target, environment

HOME = ".wandb"
"""The folder, in a run directory or a board, for everything that publishing leaves there."""
REACH_SECONDS = 10.0
"""How long the server may take to show a sign of life."""
HEADER_BYTES = 7
"""An offline run's file that is no longer holds nothing, and `wandb sync` would succeed without a word."""
LOSSES = ("filestream", "file transfer", "runfiles", "runupserter", "sender", "runsync", "runreader")
"""Parts of the SDK's service whose errors mean that something did not arrive."""
ADDRESS = re.compile(r"https?://\S+/runs/\S+")
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
        if target.uploads and known is not None and known["digest"] == digest:
            return _outcome(parcel, "unchanged", url=known["url"])
        written = state.written
        same = written is not None and (written["digest"], written["target"]) == (digest, target.key)
        if written is None or not same or (target.uploads and not written["key"]):
            state.drop()
            made = _write(parcel, home, target, deadline)
            written = state.write({**made, "digest": digest, "target": target.key})
        if not (target.uploads and written["key"]):
            return _outcome(parcel, "offline", folder=written["folder"], keyless=target.uploads)
        _reach(written["base_url"], deadline)
        url = _upload(Path(written["folder"]), home, deadline)
        state.acknowledge(target.key, digest=digest, rows=len(parcel.rows), url=url)
        return _outcome(parcel, "published", url=url)


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
    """What is remembered: the parcel that is written and not acknowledged, and what each target holds."""

    def __init__(self, home: Path) -> None:
        self._path = home / "state.json"
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
            self.published: dict[str, Any] = dict(held["published"])
            self.written: dict[str, Any] | None = held["written"]
        except (OSError, ValueError, KeyError, TypeError):  # lost or torn: everything is sent anew
            self.published, self.written = {}, None
        if self.written is not None and not _run_file(Path(self.written["folder"])):
            self.written = None

    def write(self, written: dict[str, Any]) -> dict[str, Any]:
        """A parcel waits for its upload."""
        self.written = written
        self._save()
        return written

    def acknowledge(self, target: str, *, digest: str, rows: int, url: str | None) -> None:
        """The target holds the parcel now; the offline run has done its duty."""
        self.published[target] = {"digest": digest, "rows": rows, "url": url}
        self.drop()
        self._save()

    def drop(self) -> None:
        """Clear away what waits, and what processes that were killed have left."""
        home = self._path.parent
        waiting = [Path(self.written["folder"])] if self.written else []
        for place in (*waiting, *home.glob("wandb/*-run*"), home / "artifacts", home / "cache"):
            place.unlink() if place.is_symlink() else shutil.rmtree(place, ignore_errors=True)
        self.written = None

    def _save(self) -> None:
        held = {"written": self.written, "published": self.published}
        write_text(self._path, json.dumps(held, indent=1, sort_keys=True) + "\n")


def _run_file(folder: Path) -> Path | None:
    """The file of an offline run, if it holds anything."""
    return next((f for f in folder.glob("run-*.wandb") if f.stat().st_size > HEADER_BYTES), None)


def _write(parcel: Parcel, home: Path, target: Target, deadline: Deadline) -> dict[str, Any]:
    """Have the SDK write an offline run."""
    order = {"parcel": asdict(parcel), "project": target.project, "entity": target.entity}
    done = process.run(
        ["-m", "lpa3bench.sinks.wandb"],
        stdin=json.dumps(order),
        env=environment(home) | {"WANDB_SILENT": "true"},
        deadline=deadline,
    )
    try:
        written: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise RunFailed(f"the W&B SDK wrote no run: {done.complaint}") from None
    if _run_file(Path(written["folder"])) is None:
        raise RunFailed(f"{written['folder']}: the W&B SDK wrote nothing there")
    return written


def _reach(url: str, deadline: Deadline) -> None:
    """Refuse at once where no server answers; any answer will do."""
    try:
        with urlopen(Request(url, method="HEAD"), timeout=min(REACH_SECONDS, deadline.left or 0.1)):
            pass
    except HTTPError:
        pass
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise TryAgain(
            f"{url}: cannot be reached ({reason}); nothing is lost, give the same command again later"
        ) from error


def _loss(logs: Path) -> str | None:
    """The first thing in the log of `wandb sync` that means that something did not arrive."""
    for log in logs.glob("debug-sync*.log"):
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                said = json.loads(line)
                if said["level"].startswith("ERROR") and said["msg"].startswith(LOSSES):
                    return " ".join(filter(None, (said["msg"], said.get("error"))))[:200]
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    return None


def _upload(folder: Path, home: Path, deadline: Deadline) -> str | None:
    """Have `wandb sync` upload one offline run; the address it names.

    Its exit code tells little, and it marks a run as synced of which it has lost a part, so its log is read.
    """
    file = _run_file(folder)
    assert file is not None, "just written"
    logs = home / "wandb" / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    done = process.run(
        ["-m", "wandb", "sync", "--include-synced", str(folder)],
        env=environment(home) | {"WANDB_DIR": str(home)},
        deadline=deadline,
    )
    whole = done.returncode == 0 and file.with_name(f"{file.name}.synced").exists()
    if (loss := _loss(logs)) or not whole or "wandb: ERROR" in done.stdout + done.stderr:
        raise RunFailed(f"W&B did not take all of it ({loss or done.complaint}); see {os.path.relpath(logs)}")
    found = ADDRESS.search(done.stdout + done.stderr)
    return found[0] if found else None
