"""Options that several verbs share. A parameter that is called differently from its option says so here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from lpa3bench.runtime.device import DEVICES
from lpa3bench.runtime.paths import config_names, resolve_config, suite_names

Verb = TypeVar("Verb", bound=Callable[..., Any])

SEED = click.IntRange(0, 2**63 - 1)
"""As many as a record takes."""


class OneRun(click.Command):
    """A verb that takes one RUN, for which a shell may have put all that a pattern fits."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if error.message.startswith("Got unexpected extra argument"):
                hint = "it takes one RUN, and a pattern as runs/* stands for all that fit it"
                raise click.UsageError(f"{error.message}; {hint}", ctx) from None
            raise


def plugin_option(function: Verb) -> Verb:
    """`--plugin FILE`, repeatable: `plugins`, a tuple of paths, as `load_registry` takes it."""
    return click.option(
        "--plugin",
        "plugins",
        type=click.Path(path_type=Path),
        metavar="FILE",
        multiple=True,
        help="Load plugins from this Python file too. Repeatable.",
    )(function)


def param_option(example: str) -> Callable[[Verb], Verb]:
    """`-p BINDING`, repeatable: `bindings`, a tuple of texts."""
    return click.option(
        "-p",
        "--param",
        "bindings",
        metavar="BINDING",
        multiple=True,
        help=f"Bind one parameter, as in -p {example}. Repeatable.",
    )


def config_options(function: Verb) -> Verb:
    """`FILE... --setting NAME -p BINDING --plugin FILE`.

    `files` (paths; a FILE may be the name of a shipped one), `setting`, `bindings`, `plugins`.
    """
    function = plugin_option(function)
    function = param_option("LPA3.margin=0.02; wins over every file")(function)
    function = click.option(
        "--setting", metavar="NAME", help="Which of the settings that the file offers (sym50, …) to take."
    )(function)
    return click.argument(
        "files",
        metavar="FILE...",
        nargs=-1,
        required=True,
        callback=lambda ctx, param, texts: tuple(map(resolve_config, texts)),
        shell_complete=_complete_files,
    )(function)


def _complete_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shipped names, and the shell's own completion of paths."""
    shipped = [*config_names(), *(suite_names() if ctx.info_name != "run" else ())]
    names = [CompletionItem(name) for name in shipped if name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="file"), *names]


def grid_options(function: Verb) -> Verb:
    """`--grid NAME=VALUE,… --seeds RANGE`: `grid` (a tuple of texts) and `seeds` (a text or None), for
    `parse_axis` and `parse_seeds`."""
    function = click.option(
        "--seeds", metavar="RANGE", help="Seeds in place of the suite's own, as in 0-2 or 0,3,5-7."
    )(function)
    return click.option(
        "--grid",
        metavar="NAME=VALUE,...",
        multiple=True,
        help="Every cell with each of these values, as in run.view=none,RandAugment, LPA3.margin=0.01,0.02, "
        "setting=sym50,sym80 or overlay=none,augmenters/lpa3. Repeatable: all combinations.",
    )(function)


def run_line_options(function: Verb) -> Verb:
    """What else a line of `lpa3bench run` may hold, so that another verb takes the line as it stands.

    `seed` (None where it is not given), which `--help` tells of; the rest is hidden and not handed on. Of
    two options with one name the verb's own counts.
    """
    hidden: dict[str, dict[str, Any]] = {
        "--device": {}, "--data": {}, "--out": {}, "--limit": {}, "--purpose": {}, "--wandb": {},
        "--fresh": {"is_flag": True}, "--download": {"is_flag": True},
        "--dry-run": {"is_flag": True}, "--explain": {"is_flag": True},
    }  # fmt: skip
    own = {word for option in _options_of(function) for word in option.opts}
    for name, kind in hidden.items():
        if name not in own:
            function = click.option(name, hidden=True, expose_value=False, **kind)(function)
    return click.option("--seed", type=SEED, help="Of a line of `run`, which can stand here as it is.")(
        function
    )


def _options_of(function: Callable[..., Any]) -> list[click.Parameter]:
    """Those that decorators below have given it."""
    return [*getattr(function, "__click_params__", ())]


def device_option(function: Verb) -> Verb:
    """`--device NAME`: `device`, one of `DEVICES`."""
    return click.option(
        "--device",
        type=click.Choice(DEVICES),
        default="auto",
        show_default=True,
        help="Where to compute; auto takes a GPU where there is one.",
    )(function)


def weights_option(function: Verb) -> Verb:
    """`--weights last|best`: `weights`."""
    return click.option(
        "--weights",
        type=click.Choice(["last", "best"]),
        default="last",
        show_default=True,
        help="Of the last epoch, or of the best by validation.",
    )(function)


def data_option(function: Verb) -> Verb:
    """`--data DIR`: `data`, a path or None; hand it to `paths.data_root`."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Data folder, the only one looked in. [default: $LPA3BENCH_DATA, else ~/.cache/lpa3bench/data]",
    )(function)


def json_option(function: Verb) -> Verb:
    """`--json`: `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def drawn_metric_option(function: Verb) -> Verb:
    """`--metric METRIC.RULE`, as `boards.measures.chosen_measure` takes it."""
    return click.option(
        "--metric",
        metavar="METRIC.RULE",
        help="The score that is drawn, such as accuracy.last or nll.val_selected; without it the metric that "
        "the runs select by, after the last epoch.",
    )(function)


def figure_out_option(name: str, more: str = "") -> Callable[[Verb], Verb]:
    """`--out FILE`: `out`, a path without a suffix, `name` where none is given."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="FILE",
        default=Path(name),
        show_default=True,
        help=f"{more}FILE.svg and FILE.png are written.",
    )
