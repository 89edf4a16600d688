"""What can go wrong, and the exit code each kind of failure ends with.

A `BenchError` is the user's business: the command line prints its one line and exits with `exit_code`.
Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

FailureKind = Literal[
    "diverged", "out_of_memory", "disk", "damaged", "in_use", "lost", "stopped", "killed",
    "usage", "config", "data", "plugin", "bug", "other",
]  # fmt: skip
"""What went wrong, for programs; docs/records.md says what each one means."""


class BenchError(Exception):
    """A failure with one line that says what is wrong, where, and what to do."""

    exit_code = 1
    kind: FailureKind = "other"

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows of it, by a convention of IPython's: the line that the command line prints.

        Raises:
            NotImplementedError: the whole traceback is to be shown.
        """
        if os.environ.get("LPA3BENCH_TRACEBACK"):
            raise NotImplementedError
        return [error_line(self)]


class RunFailed(BenchError):
    """The run itself went wrong: a NaN loss, a full disk, an augmenter that left the image range.

    Args:
        kind: what programs are to make of it; a suite's search takes a trial that "diverged" for a bad draw.
        step: the step at which it happened, where that is known.
    """

    def __init__(self, message: str, *, kind: FailureKind = "other", step: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.step = step


class UsageError(BenchError):
    """The command line asked for something that cannot be."""

    exit_code = 2
    kind = "usage"


class ConfigError(BenchError):
    """A gin file or a `-p` binding is wrong; the message opens with file and line."""

    exit_code = 3
    kind = "config"


class DataError(BenchError):
    """A data set or a record is missing or damaged.

    Args:
        path: the file or folder, to open the message with.
    """

    exit_code = 4
    kind = "data"

    def __init__(self, reason: str, *, path: Path | None = None) -> None:
        super().__init__(reason if path is None else f"{path}: {reason}")
        self.reason = reason
        self.path = path


class PluginError(BenchError):
    """A plugin that the command needs is broken, or one name is claimed twice."""

    exit_code = 5
    kind = "plugin"


class TryAgain(BenchError):
    """Something outside is away for now, W&B's server say; the same command later may succeed."""

    exit_code = 75
    kind: FailureKind = "lost"


class InUse(TryAgain):
    """Another process holds the lock of a run directory.

    Args:
        path: the run directory.
    """

    kind = "in_use"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: another process is working on this run")
        self.path = path


class Stopped(BenchError):
    """A signal ended the run at a step; its checkpoint is on disk. The exit code is 128 + its number: 130 for
    SIGINT, 143 for SIGTERM, 138 and 140 for SIGUSR1 and SIGUSR2."""

    kind = "stopped"

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class RenamedWarning(FutureWarning):
    """A config uses a name that a parameter had once; the command line prints it as one line."""


class DamagedWarning(UserWarning):
    """A file of a run is damaged, and another one or none is used; the command line prints it as one line."""


class CopyWarning(UserWarning):
    """The code of a plugin comes from the copy in a run directory; the command line prints it as one line."""


def with_plugin_hint(text: str) -> str:
    """What is said of a plugin that is not there, with what may be missing."""
    joint = " One" if text.endswith("?") else "; one"
    return f"{text}{joint} in a file of your own is given with --plugin FILE or run.plugins"


CONTROL_SIGNS = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # all but tab and newline: escape sequences open with one of these
    "\xad\u061c\u200b\u200e\u200f\u2060-\u206f\ufeff"  # nothing to see, or the direction of writing
    "\u2028-\u202e"  # line breaks, and more directions
    "\ufff9-\ufffb\ud800-\udfff"  # halves of a pair, as JSON and names of files can hold them
    "]"
)
"""Signs that a terminal or an editor obeys instead of showing them."""
LONGEST_QUOTE = 80
"""Letters of what a message quotes."""
_LONGEST_WORD, _LONGEST_LINE = 240, 2000
_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")


def plain(text: str) -> str:
    """The text, of any number of lines, with "?" for every control sign."""
    return CONTROL_SIGNS.sub("?", text)


def escaped_in_json(text: str) -> str:
    """The text of a JSON file that means the same, with every control sign escaped."""
    return CONTROL_SIGNS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def printable(text: str) -> str:
    """The text in one line, without control signs: a plugin's message or a record may hold some."""
    return plain(" ".join(text.splitlines()).replace("\t", " "))


def shortened(text: str, longest: int = LONGEST_QUOTE) -> str:
    """The text, cut in the middle where it is longer: both ends tell what it was."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]}…{text[len(text) - (longest - 1) // 2 :]}"


def error_line(error: Exception | str) -> str:
    """What the command line prints of an error: one line, in which nothing that is quoted runs on."""
    text = _LONG_WORD.sub(lambda word: shortened(word[0], _LONGEST_WORD), printable(str(error)))
    return f"error: {shortened(text, _LONGEST_LINE)}"


_SPACE = "free some space and give the same command again"
_CURES = {
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "choose a folder that can be written to"),
    errno.ENAMETOOLONG: "choose a shorter path",
    **dict.fromkeys(
        (errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST),
        "something of another kind lies there; move it away",
    ),
    errno.ENOENT: "its folder is gone",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _SPACE),
    errno.EIO: "the disk, or the way to it, is broken",
    errno.EPIPE: "the process at its other end has ended",
    errno.ELOOP: "links there lead in a circle",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "too many files are open; see `ulimit -n`"),
}
"""What to do about a refusal of the system's, by its number."""
_NO_PLUGINS_FAULT = frozenset(
    (errno.EROFS, errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)
)


def refused_by_disk(error: OSError | RuntimeError, what: str) -> RunFailed:
    """What the system refused, with its words and the cure. torch.save has no number for it."""
    number, words = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
    reason = words or " ".join(str(error).split())
    return RunFailed(f"{what} ({reason}); {_CURES.get(number or 0, _SPACE)}", kind="disk")


@contextmanager
def refusals_told() -> Iterator[None]:
    """What the system refused inside the block, and nobody expected, becomes one line.

    Raises:
        RunFailed: in place of an `OSError` of these kinds; any other passes as it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _CURES:
            raise
        name = error.filename2 or error.filename or "the working folder or a pipe"
        raise refused_by_disk(error, f"{name}: cannot be used") from error
    except RuntimeError as error:  # of Path.resolve, which has no number for it
        if not str(error).startswith("Symlink loop from "):
            raise
        loop = OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        name = str(error).removeprefix("Symlink loop from ").strip("'")
        raise refused_by_disk(loop, f"{name}: cannot be used") from error


@contextmanager
def blamed(who: str) -> Iterator[None]:
    """What a plugin's code raises inside the block becomes one line that names it.

    Raises:
        PluginError: the code raised something; a `BenchError` passes as it is.
        RunFailed: the device's memory is full, or the system refused a file whatever the code does.
    """
    try:
        yield
    except BenchError:
        raise
    except OSError as error:
        if error.errno not in _NO_PLUGINS_FAULT:
            raise _broken(who, error) from error
        raise refused_by_disk(error, f"{who}: {error.filename or 'a file'}: cannot be used") from error
    except (Exception, SystemExit) as error:  # a plugin that exits would end the run without a word
        if type(error).__name__ == "OutOfMemoryError":  # torch's own; this file imports no torch
            message = f"{who}: out of memory on the device; take a smaller batch_size"
            raise RunFailed(message, kind="out_of_memory") from error
        raise _broken(who, error) from error


def _broken(who: str, error: BaseException) -> PluginError:
    text = str(error).splitlines()
    reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
    return PluginError(f"{who} failed ({reason}); LPA3BENCH_TRACEBACK=1 shows where")
