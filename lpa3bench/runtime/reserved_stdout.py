"""Standard output for our own words alone, whatever libraries, plugins and the processes they start print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TextIO

STDOUT, STDERR = 1, 2


@contextmanager
def reserved_stdout() -> Iterator[TextIO]:
    """Inside, only what is written to the stream that it yields reaches stdout; all else goes to stderr.

    That holds for `print`, for what C code writes to descriptor 1, and for processes that are started inside.
    Where `sys.stdout` is no descriptor (a test has replaced it), `print` alone is led away.
    """
    before = sys.stdout
    try:
        at_descriptor = before.fileno() == STDOUT
    except (OSError, ValueError, AttributeError):
        at_descriptor = False
    if not at_descriptor:
        with redirect_stdout(sys.stderr):
            yield before
        return
    before.flush()
    kept = os.dup(STDOUT)
    own = os.fdopen(os.dup(kept), "w", encoding=before.encoding, errors=before.errors)
    os.dup2(STDERR, STDOUT)
    try:
        with redirect_stdout(sys.stderr):
            yield own
            own.flush()
    finally:
        with suppress(OSError):  # the error of the body, if there is one, tells more
            before.flush()  # what was printed to the old stream, to stderr
        os.dup2(kept, STDOUT)
        os.close(kept)
        with suppress(OSError):
            own.close()
