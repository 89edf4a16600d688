"""Uploads to W&B. To upload the same again changes nothing, and an upload that broke off is completed.

A run has a fixed id at W&B, which is asked what it holds already: only further rows are sent. What it has
acknowledged is kept in `state.json` beside the run, so that it is not even asked where nothing has changed
here, and that rows of two trainings are not mixed; without that file it is asked.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lpa3bench.errors import RunFailed, TryAgain
from lpa3bench.publish.target import Deadline, Target, sdk_environment, sdk_run_folders
from lpa3bench.publish.wandb_run import WandbRun
from lpa3bench.runtime.files import write_text
from lpa3bench.runtime.supervised import run_python

STATE_FOLDER = ".wandb"
"""In a run directory say: everything that publishing leaves there."""
STATE_FILE = "state.json"
FAILED_PARTS = ("filestream", "file transfer", "runfiles", "runupserter", "sender")
"""Parts of the SDK's service whose errors mean that something did not arrive."""
REFUSAL_CODES = ("401", "403")
"""HTTP status codes in the text of such an error that no repetition mends."""
HEADER_BYTES = 7
"""An offline run's file that is no longer holds nothing."""
NOTHING_LOST = "nothing is lost, give the same command again later"
UploadStatus = Literal["published", "unchanged", "offline"]


@dataclass(frozen=True, kw_only=True)
class UploadResult:
    """What became of an upload."""

    id: str
    rows: int
    status: UploadStatus
    url: str | None
    folder: str | None
    """Of the offline run, where it was not uploaded."""
    keyless: bool = False
    """It was not uploaded because there is no key."""


def upload(content: WandbRun, place: Path, target: Target, deadline: Deadline) -> UploadResult:
    """Bring W&B to hold this content.

    Args:
        place: the run directory that it was read from; for a board a folder of its own.

    Raises:
        TryAgain: the server cannot be reached, or the time is up; nothing is lost.
        RunFailed: the SDK or the server refused it, or the disk.
    """
    with _locked(place / STATE_FOLDER, deadline) as home:
        state = _State(home, content.id)
        digest = content.digest()
        known = state.published.get(target.key)
        if target.uploads and known is not None:
            if known["digest"] == digest:
                return _result(content, "unchanged", url=known["url"])
            if content.rows_digest(known["rows"]) != known["rows_digest"]:
                raise RunFailed(
                    f"{place}: was trained anew since W&B took its rows ({known['url']}); delete that run "
                    f"there and {home / STATE_FILE} here, then publish again"
                )
        elif not target.uploads and state.offline == digest and (folder := state.folder):
            return _result(content, "offline", folder=str(folder))
        state.clear()
        done = _log_by_sdk(content, home, target, deadline)
        if not done["online"]:
            _check_written(Path(done["folder"]))
            state.keep_offline(digest)
            return _result(content, "offline", folder=done["folder"], keyless=target.uploads)
        if error := _logged_error(Path(done["folder"])):
            if any(code in error for code in REFUSAL_CODES):
                raise RunFailed(f"W&B did not take all of it: {error}")
            raise TryAgain(f"W&B did not take all of it: {error}; {NOTHING_LOST}")
        rows = len(content.rows)
        held = {"digest": digest, "rows": rows, "rows_digest": content.rows_digest(rows), "url": done["url"]}
        state.clear()
        state.keep_published(target.key, held)
        return _result(content, "published", url=done["url"])


def _result(content: WandbRun, status: UploadStatus, **more: Any) -> UploadResult:
    return UploadResult(
        id=content.id, rows=len(content.rows), status=status, **({"url": None, "folder": None} | more)
    )


@contextmanager
def _locked(home: Path, deadline: Deadline) -> Iterator[Path]:
    """The folder, made where there is none, kept from other processes until the block is left."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitignore").write_text("*\n")
        lock = (home / "lock").open("a")
    except OSError as error:
        raise RunFailed(f"{home}: cannot be written to ({error.strerror})", kind="disk") from error
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
    """What each target holds, and which content was written offline, as `state.json` has them.

    It names no folder, since it may have been copied along with its run directory: what the SDK has written
    of this very run lies where the SDK writes now, and nothing else is ever deleted.
    """

    def __init__(self, home: Path, run_id: str) -> None:
        self._home, self._id = home, run_id
        self._path = home / STATE_FILE
        self.published: dict[str, dict[str, Any]] = {}
        self.offline: str | None = None
        """Its digest."""
        with suppress(
            OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError
        ):  # torn: ask W&B
            held = json.loads(self._path.read_text(encoding="utf-8"))
            published = {
                str(target): {name: known[name] for name in ("digest", "rows", "rows_digest", "url")}
                for target, known in held["published"].items()
            }
            self.published, self.offline = published, held["offline"]

    @property
    def folder(self) -> Path | None:
        """Of the offline run, if it is there."""
        return next((folder for folder in self._folders() if _run_file(folder)), None)

    def keep_offline(self, digest: str) -> None:
        """Write it down; the folder stays until there is a newer one, or W&B holds its content."""
        self.offline = digest
        self._save()

    def keep_published(self, target: str, held: dict[str, Any]) -> None:
        """Write down what the target holds now."""
        self.published[target] = held
        self._save()

    def clear(self) -> None:
        """Delete what the SDK has written of this run, be it by a process that was killed."""
        for folder in self._folders():
            shutil.rmtree(folder, ignore_errors=True)
        (self._home / "wandb" / "latest-run").unlink(missing_ok=True)
        if not (artifacts := self._home / "artifacts").is_symlink():
            shutil.rmtree(artifacts, ignore_errors=True)
        self.offline = None

    def _folders(self) -> list[Path]:
        """In our own folder those of every id: a board has another one for another content."""
        own = self._home / "wandb"
        found = dict.fromkeys(sdk_run_folders(self._home), f"*run-*-{self._id}") | {own: "*run-*"}
        folders = [f for place, name in found.items() if not place.is_symlink() for f in place.glob(name)]
        return [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]

    def _save(self) -> None:
        held = {"offline": self.offline, "published": self.published}
        write_text(self._path, json.dumps(held, indent=1, sort_keys=True) + "\n")


def _log_by_sdk(content: WandbRun, home: Path, target: Target, deadline: Deadline) -> dict[str, Any]:
    """What `lpa3bench.publish.sdk` replies when it was told to log the content."""
    order = {
        "run": asdict(content),
        "online": target.uploads,
        "project": target.project,
        "entity": target.entity,
        "seconds": deadline.left,
    }
    try:
        done = run_python(
            ["-m", "lpa3bench.publish.sdk"],
            stdin=json.dumps(order),
            env=sdk_environment(home),
            seconds=deadline.left,
        )
    except TimeoutError:
        raise TryAgain(
            f"W&B has not answered within {deadline.seconds:g} seconds; {NOTHING_LOST}, or a longer --timeout"
        ) from None
    try:
        reply: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise RunFailed(f"the W&B SDK failed: {done.error_line}") from None
    if "unreachable" in reply:
        raise TryAgain(f"{' '.join(reply['unreachable'].split())}; {NOTHING_LOST}")
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


def _logged_error(folder: Path) -> str | None:
    """The first line of the SDK's log that means that something did not arrive; it says so nowhere else."""
    for log in folder.glob("logs/debug-internal*.log"):
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                if entry["level"].startswith("ERROR") and entry["msg"].startswith(FAILED_PARTS):
                    return " ".join(filter(None, (entry["msg"], entry.get("error"))))[:200]
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    return None
