"""`lpa3bench check`: is a gin file right, in each of its settings? Nothing is trained and no data is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lpa3bench.cli.options import config_options, json_option, run_line_options
from lpa3bench.cli.terminal import say
from lpa3bench.errors import BenchError, error_line
from lpa3bench.plugin.registry import Registry


@click.command()
@run_line_options
@config_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[Path, ...],
    setting: str | None,
    bindings: tuple[str, ...],
    plugins: tuple[Path, ...],
    as_json: bool,
    seed: int | None,
) -> None:
    """Check gin files without training.

    Each FILE is checked by itself: a whole config in each of its settings, down to the ranges of values; an
    overlay (a file that binds no task) for its syntax, names and types; a suite in every cell. All errors are
    listed. With --setting, -p or --seed the files are taken together instead, as `run` would take them.
    """
    from lpa3bench.config import load_config
    from lpa3bench.plugin.registry import load_registry as load_plugins

    registry = load_plugins(plugins)
    if setting is not None or bindings or seed is not None:
        load_config(files, setting=setting, bindings=bindings, registry=registry).try_out()
        together = {"files": [*map(str, files)], "ok": True, "what": "together", "errors": []}
        say(
            json.dumps([together], indent=1) if as_json else f"{' '.join(map(str, files))}: ok", as_is=as_json
        )
        return
    exit_code = 0
    told: list[dict[str, Any]] = []
    for path in files:
        what, errors = _checked(path, registry)
        told.append(
            {"files": [str(path)], "ok": not errors, "what": what, "errors": [str(error) for error in errors]}
        )
        if not errors and not as_json:
            say(f"{path}: ok ({what})")
        for error in errors:
            say(error_line(error), err=True)
            exit_code = max(exit_code, error.exit_code)
    if as_json:
        click.echo(json.dumps(told, indent=1))
    ctx.exit(exit_code)


def _checked(path: Path, registry: Registry) -> tuple[str, tuple[BenchError, ...]]:
    """What the file is, and what is wrong with it."""
    from lpa3bench import suites as suite
    from lpa3bench.config import check_files

    if suite.is_suite(path):
        whole = suite.check_suite(path, registry)
        search = f"; search: {whole.suite.search.size}" if whole.suite.search else ""
        return f"suite: {whole.suite.size}{search}", whole.errors
    (checked,) = check_files([path], registry)
    return _what(checked.overlay, checked.settings), checked.errors


def _what(overlay: bool, settings: tuple[str, ...]) -> str:
    if overlay:
        return "overlay: syntax, names and types"
    return f"settings {', '.join(settings)}" if settings else "no settings"
