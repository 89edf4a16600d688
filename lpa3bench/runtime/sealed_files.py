"""Zip archives that know whether they are whole, `.pt` and `.npz`: the SHA-256 of all the rest stands in
their comment. Imports no torch."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from lpa3bench.errors import DataError
from lpa3bench.runtime.files import without_waiting, write_atomically

SEAL = b"lpa3bench sha256 "
SEAL_LENGTH = len(SEAL) + 64
END, END_LENGTH = b"PK\5\6", 22
"""How the end of an archive without a comment opens, and its bytes; the last two are the comment's length."""
LARGEST_ARCHIVE = 16 * 2**30
"""Bytes of a file that is worth reading."""
MOST_UNPACKED, MOST_TIMES = 64 * 2**20, 100
"""Arrays unpack to so many bytes, or to so many times what the file holds, and no further: probabilities
hardly shrink, and what unpacks to a thousand times its size is meant to fill the memory."""


def seal(path: Path) -> None:
    """Write into a zip archive's comment the digest of all that it holds.

    Raises:
        OSError: the disk refused it.
        ValueError: it is no zip archive, or has a comment already.
    """
    with path.open("r+b") as file:
        length = file.seek(-2, os.SEEK_END)  # an archive ends in the length of its comment, then that
        if file.read(2) != b"\0\0":
            raise ValueError(f"{path} is no archive without a comment")
        file.seek(length)
        file.write(SEAL_LENGTH.to_bytes(2, "little"))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0, os.SEEK_END)
        file.write(SEAL + digest.encode())


@contextmanager
def open_whole(path: Path) -> Iterator[IO[bytes]]:
    """The archive to read from, after its digest was found right.

    One that was written without a digest, as earlier versions did, has the check sums of its members looked
    at instead. What is checked is what is read, though another file may get its name meanwhile.

    Raises:
        FileNotFoundError: there is none.
        DataError: it is damaged, or cannot be read; or reading it in the block raised something.
    """
    try:
        with open(path, "rb", opener=without_waiting) as file:
            if wrong := _wrong(file):
                raise DataError(f"damaged ({wrong})", path=path)
            file.seek(0)
            yield file
    except (FileNotFoundError, DataError):
        raise
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=path) from error
    except Exception as error:  # of another form: it fails in many ways
        raise DataError(f"damaged ({type(error).__name__})", path=path) from error


def _wrong(file: BinaryIO) -> str | None:
    """What is wrong with the file, in a few words."""
    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode):
        return "it is no file"
    if about.st_size > LARGEST_ARCHIVE:
        return f"it is larger than {LARGEST_ARCHIVE // 2**30} GiB"
    file.seek(max(0, about.st_size - SEAL_LENGTH))
    said = file.read()
    if not said.startswith(SEAL):
        return _wrong_sums(file, about.st_size)
    file.seek(0)
    digest = _digest(file, about.st_size - SEAL_LENGTH)
    return None if said == SEAL + digest.encode() else "its digest is not that of what it holds"


def _digest(file: BinaryIO, length: int) -> str:
    total = hashlib.sha256()
    while length and (part := file.read(min(length, 2**20))):
        total.update(part)
        length -= len(part)
    return total.hexdigest()


def _wrong_sums(file: BinaryIO, size: int) -> str | None:
    """The same of an archive without any comment, by the check sums that it has of its members."""
    file.seek(max(0, size - END_LENGTH))
    end = file.read()
    if not (end.startswith(END) and end.endswith(b"\0\0")):  # a digest of which a part is left, say
        return "it is torn, or no archive"
    with zipfile.ZipFile(file) as archive:
        if _unpacked(archive) > _most(size):
            return "it unpacks to too much"
        bad = archive.testzip()
    return None if bad is None else "a check sum is wrong"


def _unpacked(archive: zipfile.ZipFile) -> int:
    return sum(member.file_size for member in archive.infolist())


def _most(size: int) -> int:
    return max(MOST_UNPACKED, MOST_TIMES * size)


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write NumPy arrays into a compressed file of exactly this name, with its digest, all or nothing.

    Raises:
        RunFailed: the disk refused it.
    """
    import numpy as np

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # given a name, NumPy would append .npz to it
            np.savez_compressed(file, **arrays)
        seal(temporary)

    write_atomically(path, write)


def read_arrays(path: Path) -> dict[str, Any]:
    """The NumPy arrays in an `.npz`, by name.

    Raises:
        FileNotFoundError: there is none.
        DataError: it is damaged, or holds something else than arrays of numbers.
    """
    import numpy as np

    with open_whole(path) as file, zipfile.ZipFile(file) as archive:
        if _unpacked(archive) > _most(path.stat().st_size):
            raise DataError("damaged (it unpacks to too much)", path=path)
        found = {}
        for name in archive.namelist():
            with archive.open(name) as member:
                found[name.removesuffix(".npy")] = np.lib.format.read_array(member, allow_pickle=False)
    return found
