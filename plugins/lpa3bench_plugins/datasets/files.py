"""What data sets on the disk have in common: how a fault is reported, checksums, and downloads."""

from __future__ import annotations

import hashlib
import shlex
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from http.client import HTTPException
from pathlib import Path

from lpa3bench.errors import DataError
from lpa3bench.types import Presence


def missing_files(name: str, file: str, root: Path) -> DataError:
    """The error for a file of the data set that is not in the data folder `root`.

    Args:
        name: as `data get` takes it: the data set's name, and -p options after it.
    """
    return DataError(
        f"{name.partition(' ')[0]}: {file} is not in {root}; get it with: {_command(name, root)}"
    )


def damaged(name: str, path: Path, root: Path, fault: str) -> DataError:
    """The error for a file that is there but not what it should be."""
    told = f"{name.partition(' ')[0]}: {path} is damaged ({fault})"
    return DataError(f"{told}; delete it and get it again: {_command(name, root)}")


def whole(name: str, path: Path, root: Path, *, at_least: int) -> Path:
    """The path of a file that is there and has so many bytes.

    Raises:
        DataError: it is missing, or shorter.
    """
    if not path.is_file():
        raise missing_files(name, str(path.relative_to(root)), root)
    if (found := path.stat().st_size) < at_least:
        raise damaged(name, path, root, f"it has {found:,} bytes, and there must be {at_least:,}")
    return path


def presence_of_files(files: Iterable[Path], splits: dict[str, int]) -> Presence:
    """What is told of a data set by looking for its files. Going through them raises `DataError` where one is
    not what it should be; `splits` is how many images they hold."""
    try:
        return Presence(splits=splits, size=sum(path.stat().st_size for path in files))
    except DataError as error:
        return Presence(problem=str(error))


def _command(name: str, root: Path) -> str:
    return f"lpa3bench data get {name} --data {shlex.quote(str(root))}"


def md5(path: Path) -> str:
    """MD5 of a file's contents, which is what the data sets' owners publish."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_md5(name: str, path: Path, root: Path, expected: str) -> None:
    """Raises DataError where the file is missing or its MD5 is not the expected one."""
    if not path.is_file():
        raise missing_files(name, str(path.relative_to(root)), root)
    if (found := md5(path)) != expected:
        raise damaged(name, path, root, f"MD5 {found}, not {expected}")


def other_files(expected: Mapping[Path, str]) -> str | None:
    """Those whose MD5 is not the expected one, as `Dataset.unofficial` says it."""
    names = [path.name for path, checksum in expected.items() if md5(path) != checksum]
    return f"{', '.join(names)}: another MD5" if names else None


@contextmanager
def fetching(name: str, root: Path) -> Iterator[None]:
    """Make the data folder, and turn what a library's download can raise into one line.

    What the library prints goes to stderr, because stdout is for results.

    Raises:
        DataError: the download failed.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with redirect_stdout(sys.stderr):
            yield
    except (OSError, RuntimeError, HTTPException, EOFError, tarfile.TarError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{name}: the download into {root} failed ({reason}); check network and disk, then try again"
        ) from error


def check_normalisation(mean: tuple[float, ...], std: tuple[float, ...], channels: int) -> None:
    """Raises ValueError unless there is a mean and a standard deviation for each channel, as of images in
    [0, 1]."""
    for parameter, values in (("mean", mean), ("std", std)):
        if len(values) != channels:
            raise ValueError(f"{parameter}: needs one number per channel, {channels} in all, not {values}")
    if not all(0 <= value <= 1 for value in mean):
        raise ValueError(f"mean: must be in [0, 1], as images are, not {mean}; divide those of bytes by 255")
    if not all(0 < value <= 1 for value in std):
        raise ValueError(
            f"std: must be in (0, 1], as of such images, not {std}; divide those of bytes by 255"
        )
