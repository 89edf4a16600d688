"""Files that are whole or absent, and the digest of what they hold. Imports no torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lpa3bench.errors import escaped_in_json, plain, refused_by_disk


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
        raise refused_by_disk(error, f"{path}: could not be written") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file, all or nothing; in UTF-8 with plain newlines, whatever the system.

    No control sign of a record or a config gets there: JSON has them escaped, other files a "?" for each.
    """
    harmless = escaped_in_json(text) if path.suffix == ".json" else plain(text)
    write_atomically(path, lambda temporary: temporary.write_text(harmless, encoding="utf-8", newline="\n"))


def digest(*parts: bytes) -> str:
    """The first 16 hexadecimal digits of a SHA-256, which knows where a part ends."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()[:16]


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write NumPy arrays into a compressed file of exactly this name, all or nothing.

    Raises:
        RunFailed: the disk refused it.
    """
    import numpy as np

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # given a name, NumPy would append .npz to it
            np.savez_compressed(file, **arrays)

    write_atomically(path, write)
