"""Standard output and error, as the command line writes them.

Whatever a verb prints passes a `GuardedStream`: signs that a terminal would obey become "?", and output that
is lost (a full disk, a closed descriptor, a reader that went away) is an `OutputLost` and nothing else.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from lpa3bench.errors import plain


class OutputLost(OSError):
    """Standard output took no more. It has no `errno`, so that nobody takes it for a failure of a file.

    Args:
        cause: what the system said.
    """

    def __init__(self, cause: OSError) -> None:
        super().__init__(f"standard output cannot be written ({cause.strerror or cause})")
        self.reader_left = cause.errno == errno.EPIPE


class GuardedStream:
    """A text stream that hands on no control signs.

    Args:
        stream: where the text goes; None: it was closed before the program began.
        heard: whether somebody must learn of what could not be written. Of standard error nobody can.
    """

    buffer = None
    """Bytes would pass unguarded; click writes to it where it does not like the stream's encoding."""

    def __init__(self, stream: TextIO | None, *, heard: bool) -> None:
        self._stream = stream
        self._heard = heard

    def write(self, text: str | bytes) -> int:
        if isinstance(text, bytes):  # so click hands on completions
            text = text.decode("utf-8", "replace")
        if harmless := plain(text):  # click tries "" to see what the stream takes, and hides its failure
            with self._failing():
                if self._stream is None:
                    raise OSError(errno.EBADF, "it is closed")
                self._stream.write(harmless)
        return len(text)

    def flush(self) -> None:
        with self._failing():
            if self._stream is not None:
                self._stream.flush()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    @property
    def encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def unguarded(self) -> TextIO | None:
        """The stream itself, for a bar that moves the cursor."""
        return self._stream

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            discard_output(self._stream)
            if self._heard:
                raise OutputLost(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def unguarded(stream: TextIO) -> TextIO:
    """The stream under the guard, where there is one."""
    return (stream.unguarded or stream) if isinstance(stream, GuardedStream) else stream


def discard_output(stream: TextIO | None) -> None:
    """Send what the stream still holds nowhere, so that it does not fail again when the program ends."""
    with suppress(OSError, ValueError, AttributeError):  # one of a test has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), cast("TextIO", stream).fileno())


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Inside, `sys.stdout` and `sys.stderr` are guarded; after a bug they stay so, for its traceback.

    Raises:
        OutputLost: standard output could not be written, at the latest when the block ends.
    """
    _fill_descriptors()
    before = sys.stdout, sys.stderr
    for stream in before:
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show "±" shows "?"
            stream.reconfigure(errors="replace")
    out = GuardedStream(before[0], heard=True)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", GuardedStream(before[1], heard=False))
    try:
        try:
            yield
        except SystemExit as end:
            if not end.code:  # else there is a line that says what failed
                out.flush()
            raise
        out.flush()
    except (SystemExit, OutputLost):
        sys.stdout, sys.stderr = before
        raise
    sys.stdout, sys.stderr = before


def _fill_descriptors() -> None:
    """Open what is closed of 0, 1 and 2: else the next file takes its number, and prints land in it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
