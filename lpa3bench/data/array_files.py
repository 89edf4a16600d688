"""Arrays of numbers from `.npy` and `.npz` files of anybody: looked at before they are unpacked.

NumPy's own reader allocates what a header asks for, unpacks a megabyte into gigabytes, and advises to allow
pickles where it refuses one. What is wrong is a `ValueError` of one line here; the file is for the caller to
name.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

LARGE = 2**28
"""Bytes up to which an array may be packed as well as it likes."""
PACKED_BY = 100
"""By how much a larger one may be packed. Images of one colour are packed by a thousand, as bombs are."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_MEMBER = ".npy"

Array = Any
"""np.ndarray, whose type parameters say nothing here."""


def read_npy(path: Path) -> Array:
    """The array of an `.npy` file.

    Raises:
        ValueError: it holds none, or none of numbers.
        OSError: it cannot be opened.
    """
    with _opened(path) as file:
        _check_header(file, path.stat().st_size)
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)


def npz_keys(path: Path) -> list[str]:
    """What the arrays of an `.npz` file are called. Raises what `read_npz` does."""
    with _unzipped(path) as archive:
        names = [name.removesuffix(_MEMBER) for name in archive.namelist() if name.endswith(_MEMBER)]
        return list(dict.fromkeys(names))


def read_npz(path: Path, key: str) -> Array:
    """One array of an `.npz` file.

    Raises:
        ValueError: it has no such array, or none of numbers, or is no whole file.
        OSError: it cannot be opened.
    """
    with _unzipped(path) as archive:
        try:
            member = archive.getinfo(key + _MEMBER)
        except KeyError:
            raise ValueError(f"there is no {key}") from None
        _check_member(member, path.stat().st_size)
        with archive.open(member) as file:
            _check_header(file, member.file_size)
        with archive.open(member) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            file.read(1)  # at its end the checksum is looked at
            return array


def whole_numbers(array: Array, name: str) -> Array:
    """The array, if it is of whole numbers that int64 holds; `name` is what the error calls it.

    Raises:
        ValueError: it is not.
    """
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} is {array.dtype} {list(array.shape)}, not whole numbers")
    if array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"{name} has {array.max()}, which is too large")
    return array


def _check_member(member: zipfile.ZipInfo, on_disk: int) -> None:
    if member.flag_bits & 1:
        raise ValueError(f"{member.filename} is encrypted")
    packed = min(member.compress_size, on_disk)
    if member.file_size > max(LARGE, PACKED_BY * packed):
        raise ValueError(f"{member.filename} would unpack from {packed:,} to {member.file_size:,} bytes")


def _check_header(file: IO[bytes], size: int) -> None:
    """Of a file of that many bytes, which begins here."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its format is of version {version[0]}.{version[1]}")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, and not numbers alone")
    needed, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or needed > there:
        raise ValueError(
            f"its header says {dtype} {list(shape)}, which is {needed:,} bytes, and {there:,} follow"
        )


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, open for reading; what reading it raises is a `ValueError`."""
    if path.exists() and not path.is_file():  # a pipe would wait for somebody to write
        raise ValueError("it is no file")
    with path.open("rb") as file:
        try:
            yield file
        except Exception as error:  # bytes that are not what they should be fail in any way
            _refuse(error)


@contextmanager
def _unzipped(path: Path) -> Iterator[zipfile.ZipFile]:
    with _opened(path) as file, zipfile.ZipFile(file) as archive:
        yield archive


def _refuse(error: Exception) -> NoReturn:
    """What follows the first sentence is advice to trust the file all the same."""
    said = " ".join(str(error).split()).partition(". ")[0]
    raise ValueError(said[:300] or type(error).__name__) from error
