"""Files that are whole or absent, and the digest of what they hold. Imports no torch."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from lpa3bench.errors import RunFailed, escaped_in_json, plain, refused_by_disk

Writer = Callable[[Path], Any]
"""Writes a file at the path that it is given."""


def write_all(files: Mapping[Path, Writer]) -> None:
    """Write several files as one act: all are new afterwards, or all as they were.

    Every file is written and flushed under a temporary name in its own folder before the first one takes its
    own name; where one cannot, those that have are put back. Only what ends the process between two renames
    (a power cut) leaves some old and some new. Whoever writes into one of the folders meanwhile waits.

    Raises:
        RunFailed: the disk refused it (full, read-only), or a device or a pipe has the name; what stood there
            before is untouched.
    """
    for path in files:
        if (found := _no_file(path)) is not None:
            raise RunFailed(f"{path}: is {found} and not a file, so it is left alone; name another place")
    with _alone_in({path.parent for path in files}):
        _write_all(files)


@contextmanager
def _alone_in(folders: Iterable[Path]) -> Iterator[None]:
    """The only writer there: temporary names are the same for all who write a file of one name."""
    with ExitStack() as held:
        for folder in sorted(folders):  # in one order, so that no two wait for each other
            with suppress(OSError):  # there is none, or its disk has no locks
                opened = os.open(folder, os.O_RDONLY)
                held.callback(os.close, opened)
                fcntl.flock(opened, fcntl.LOCK_EX)
                held.callback(fcntl.flock, opened, fcntl.LOCK_UN)  # also of a child that was forked meanwhile
        yield


def _write_all(files: Mapping[Path, Writer]) -> None:
    temporaries = {path: path.with_name(f".{path.name}.tmp") for path in files}
    kept = {path: path.with_name(f".{path.name}.old") for path in files}
    renamed: list[Path] = []
    there: set[Path] = set()
    path = Path()
    try:
        for path, write in files.items():
            write(temporaries[path])
            with temporaries[path].open("rb") as file:
                os.fsync(file.fileno())
        _keep(kept if len(files) > 1 else {})
        there = {path for path in files if os.path.lexists(path)}
        for path, temporary in temporaries.items():
            temporary.replace(path)
            renamed.append(path)
        for path in {path.parent: path for path in files}.values():
            _flush_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as RuntimeError
        if len(renamed) < len(files):
            _put_back({done: kept[done] for done in renamed}, there)
        raise refused_by_disk(error, f"{path}: could not be written") from error
    finally:
        for left in (*temporaries.values(), *kept.values()):
            with suppress(OSError):  # a read-only file system refuses this too
                left.unlink(missing_ok=True)


def make_folders(folders: Iterable[Path]) -> None:
    """Make the folders that are missing, and those above them.

    Raises:
        RunFailed: the disk refused it.
    """
    for folder in dict.fromkeys(folders):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refused_by_disk(error, f"{folder}: cannot be made") from error


def write_atomically(path: Path, write: Writer) -> None:
    """Call `write(temporary_path)`, flush it to the disk and rename it to `path`: all or nothing.

    The temporary file lies in the same folder, so that the rename is atomic; the folder is flushed too, so
    that the new name survives a power cut.

    Raises:
        RunFailed: the disk refused it (full, read-only); what stood at `path` before is untouched.
    """
    write_all({path: write})


def _no_file(path: Path) -> str | None:
    """What stands there, where a file of that name would take the place of something that is none."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return "a pipe"
    return "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else None


def _keep(second_names: Mapping[Path, Path]) -> None:
    """Give files a second name each, by which they can be put back; some file systems know no links."""
    for path, second in second_names.items():
        second.unlink(missing_ok=True)
        with suppress(OSError):
            os.link(path, second, follow_symlinks=False)


def _put_back(second_names: Mapping[Path, Path], there: Set[Path]) -> None:
    """What these files were before; those that were not `there` are removed."""
    for path, second in second_names.items():
        with suppress(OSError):
            if path not in there:
                path.unlink()
            elif second.exists():
                second.replace(path)


def _flush_folder(folder: Path) -> None:
    """So that new names in it survive a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def text_writer(text: str) -> Writer:
    """Writes the text; in UTF-8 with plain newlines, whatever the system."""

    def write(path: Path) -> None:
        harmless = escaped_in_json(text) if path.name.removesuffix(".tmp").endswith(".json") else plain(text)
        path.write_text(harmless, encoding="utf-8", newline="\n")

    return write


def write_text(path: Path, text: str) -> None:
    """Write a text file, all or nothing; in UTF-8 with plain newlines, whatever the system.

    No control sign of a record or a config gets there: JSON has them escaped, other files a "?" for each.
    """
    write_all({path: text_writer(text)})


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


def ask_again(folder: Path) -> None:
    """Have a network file system look at a folder again, so that what other machines wrote is seen.

    NFS remembers for up to a minute that a file was missing; the folder's attributes come anew with the
    answer to a change of them.
    """
    with suppress(OSError):  # it is missing, or somebody else's
        folder.chmod(stat.S_IMODE(folder.stat().st_mode))


def without_waiting(path: str, flags: int) -> int:
    """An opener for `open` that does not wait until somebody writes into a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def regular(file: Path) -> Any:
    """The state of a file, links followed.

    Raises:
        OSError: it is not there.
        ValueError: it is a pipe or a device, which would wait for somebody to write.
    """
    state = file.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("it is no file")
    return state
