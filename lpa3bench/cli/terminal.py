"""How verbs print prose and tables: on a terminal within its width, anywhere else as they are."""

from __future__ import annotations

from typing import Any

import click

from lpa3bench.runtime.terminal_text import terminal_width, wrapped


def say(text: str, *, err: bool = False, as_is: bool = False) -> None:
    """Print a text of any number of lines, wrapped where a terminal shows it.

    CSV and commands go through `click.echo`. On stderr paths stay whole: messages name files to look into.

    Args:
        as_is: it is JSON or Markdown this time.
    """
    click.echo(text if as_is else wrapped(text, width(err=err), whole_paths=err), err=err)


def width(*, err: bool = False) -> int | None:
    """Columns of the terminal; None where the stream is none."""
    return terminal_width(_stream(err))


def _stream(err: bool) -> Any:
    """Where `click.echo` writes to: `sys.stdout` is led away meanwhile."""
    streams: Any = click.utils
    return (streams._default_text_stderr if err else streams._default_text_stdout)()
