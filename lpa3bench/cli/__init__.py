"""The command line: `lpa3bench VERB`, one module per verb, imported when the verb is called.

So `--help` touches no plugin and imports nothing but click. The verbs' one-line help therefore stands here.
Some verbs are called like builtins (`list`): once imported they are names of this module, so this file must
not use those builtins.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from typing import Any, TextIO, cast

import click

from lpa3bench._version import __version__
from lpa3bench.cli.terminal import say
from lpa3bench.cli.verb_group import VerbGroup
from lpa3bench.errors import (
    BenchError,
    CopyWarning,
    DamagedWarning,
    RenamedWarning,
    RunFailed,
    error_line,
    printable,
    refusals_told,
)
from lpa3bench.runtime.reserved_stdout import reserved_stdout
from lpa3bench.runtime.streams import GuardedStream, OutputLost, guarded_streams

VERBS = {
    "run": "Train one experiment and write its record.",
    "suite": "Train every cell of a suite with every seed.",
    "compare": "Compare two methods, seed by seed and at equal cost.",
    "leaderboard": "Build boards from records, merge records, publish boards.",
    "records": "List records, and bring them up to date.",
    "figure": "Draw the paper's figures and augmenter cards from runs.",
    "bundle": "Put a board into one file that rebuilds it, or check one.",
    "publish": "Replay finished or running runs into Weights & Biases.",
    "predict": "Tell the classes of new images by a trained run.",
    "score": "Score stored weights on corrupted images.",
    "export": "Write the weights of a run as safetensors.",
    "check": "Check gin files without training.",
    "show": "Show what gin files add up to, and what it will cost.",
    "list": "List what there is, or say what one plugin is.",
    "data": "Get data sets, verify them, and list what is here.",
    "new": "Write a plugin of your own to start from.",
    "test-plugin": "Hold a plugin to the laws that ours keep.",
    "version": "Print the versions that a bug report needs.",
    "completion": "Print the completion script of a shell.",
}
SIGINT_EXIT = 130
SIGPIPE_EXIT = 141


def module_of(verb: str) -> str:
    """Where a verb lives: `test-plugin` in `testplugin`, which pytest does not take for a test."""
    return f"lpa3bench.cli.{verb.replace('-', '')}"


class Cli(VerbGroup):
    """Turns a user's error into one line and an exit code."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and args[0] not in VERBS and not args[0].startswith("-"):
            near = get_close_matches(args[0], VERBS, n=1)
            advice = f"did you mean {near[0]}?" if near else f"verbs are {', '.join(VERBS)}"
            ctx.fail(f"there is no verb {args[0]!r}; {advice}")
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            with guarded_streams():
                return super().main(*args, **kwargs)
        except OutputLost as error:
            if not error.reader_left:
                say(f"error: {error}; what stood there is lost", err=True)
            sys.exit(SIGPIPE_EXIT if error.reader_left else RunFailed.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _only_ours_on_stdout(), warnings.catch_warnings(), refusals_told():
                warnings.simplefilter("default", RenamedWarning)
                warnings.simplefilter("default", CopyWarning)
                warnings.simplefilter("always", DamagedWarning)
                warnings.showwarning = partial(_warn, warnings.showwarning)
                return super().invoke(ctx)
        except BenchError as error:
            if os.environ.get("LPA3BENCH_TRACEBACK"):
                raise
            say(error_line(error), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            say("error: interrupted", err=True)
            ctx.exit(SIGINT_EXIT)


@contextmanager
def _only_ours_on_stdout() -> Iterator[None]:
    """Inside, `click.echo` alone reaches stdout. Everything that we print there goes through it, help too."""
    with reserved_stdout() as stream:
        own = stream if isinstance(stream, GuardedStream) else GuardedStream(stream, heard=True)
        before = click.utils._default_text_stdout  # type: ignore[attr-defined]  # no other way is offered
        click.utils._default_text_stdout = lambda: cast("TextIO", own)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            click.utils._default_text_stdout = before  # type: ignore[attr-defined]


def _warn(show: Callable[..., None], message: Warning | str, category: type[Warning], *place: Any) -> None:
    """Ours in one line, others as ever."""
    if issubclass(category, CopyWarning):
        say(f"note: {printable(str(message))}", err=True)
    elif issubclass(category, RenamedWarning | DamagedWarning):
        say(f"warning: {printable(str(message))}", err=True)
    else:
        show(message, category, *place)


@click.command(
    cls=Cli,
    lines=VERBS,
    modules={verb: module_of(verb) for verb in VERBS},
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="VERB [ARGS]...",
    epilog=(
        "`lpa3bench VERB --help` tells more. Exit codes: 0 ok, 1 run failed, 2 usage, 3 config, 4 data, "
        "5 plugin, 6 suite with failed runs, 75 try again, 130 interrupted, 143 terminated. Environment: "
        "LPA3BENCH_DATA, the data folder; "
        "LPA3BENCH_TRACEBACK=1 shows where an error comes from."
    ),
)
@click.version_option(__version__, prog_name="lpa3bench", message="%(prog)s %(version)s")
def main() -> None:
    """Compare augmentation methods, LP-A3 among them, on supervised, semi-supervised and noisy tasks."""
