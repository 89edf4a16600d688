"""The folder that a Ray which is started here writes its sessions into: short enough, and gone afterwards."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lpa3bench.errors import UsageError

PREFIX = "lpa3-ray-"
SOCKET_BYTES = 103
"""Of the path of a socket, at most, on any system."""
LONGEST_SOCKET = "12345678/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""What a path of Ray's adds to the folder's name without its random end."""
SHORT_FOLDER = Path("/tmp")


@contextmanager
def ray_folder() -> Iterator[Path]:
    """A new folder of our own in $RAY_TMPDIR, $TMPDIR or /tmp, the first that is there and short enough.

    It is deleted when the block is left, and so are those that a process which was killed has left there.

    Raises:
        UsageError: there is none.
    """
    named = os.environ.get("RAY_TMPDIR")
    places = [*([Path(named)] if named else []), Path(tempfile.gettempdir()), SHORT_FOLDER]
    for place in places:
        if len(os.fsencode(place / PREFIX)) + len(LONGEST_SOCKET) > SOCKET_BYTES:
            continue
        with suppress(OSError):
            folder, lock = _made(place)
            break
    else:
        raise UsageError(
            f"--engine ray: its sockets need a folder with a short path, and {places[0]} is too long or "
            "cannot be written to; set RAY_TMPDIR to one"
        )
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _made(place: Path) -> tuple[Path, int]:
    """The folder, and the descriptor that locks it; it has its name only once it is locked.

    Raises:
        OSError: it cannot be made.
    """
    for left in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = _locked(left)
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    new = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=place))
    (new / "lock").touch()
    lock = _locked(new)
    return new.rename(place / f"{PREFIX}{new.name[1:9]}"), lock


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder's lock.

    Raises:
        OSError: another process holds it, or it is nobody's of ours.
    """
    lock = os.open(folder / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock
