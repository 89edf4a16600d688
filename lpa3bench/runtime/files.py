"""Files that are whole or absent, and the digest of what they hold. Imports no torch."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lpa3bench.errors import RunFailed


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Call `write(temporary_path)`, flush it to the disk and rename it to `path`: all or nothing.

    The temporary file lies in the same folder, so that the rename is atomic; the folder is flushed too, so
    that the new name survives a power cut.

    Raises:
        RunFailed: the disk refused it (full, read-only); what stood at `path` before is untouched.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as RuntimeError
        with suppress(OSError):  # a read-only file system refuses this too
            temporary.unlink(missing_ok=True)
        why = f"{path}: could not be written ({_reason(error)}); {_cure(error)}"
        raise RunFailed(why, kind="disk") from error


def _reason(error: OSError | RuntimeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else " ".join(str(error).split())


def _cure(error: OSError | RuntimeError) -> str:
    """What to do about it, by the error's number."""
    match getattr(error, "errno", None):
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return "choose a folder that can be written to"
        case errno.ENAMETOOLONG:
            return "choose a folder with a shorter path"
        case errno.EISDIR | errno.ENOTDIR | errno.ENOTEMPTY:
            return "something of another kind lies there; move it away"
        case errno.ENOENT:
            return "its folder is gone"
    return "free some space and give the same command again"


def write_text(path: Path, text: str) -> None:
    """Write a text file, all or nothing; in UTF-8 with plain newlines, whatever the system."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))


def digest(*parts: bytes) -> str:
    """The first 16 hexadecimal digits of a SHA-256, which knows where a part ends."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()[:16]


def read_at_most(path: Path, most: int) -> bytes:
    """What the file holds. A pipe is not waited for.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than so many bytes, or no file.
    """
    with open(path, "rb", opener=without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("no file")
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"larger than {most // 2**20} MiB")
    return content


def without_waiting(path: str, flags: int) -> int:
    """An opener for `open` that does not wait until somebody writes into a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)
