"""`lpa3bench check`: is a gin file right, in each of its settings? Nothing is trained and no data is read."""

from __future__ import annotations

from pathlib import Path

import click

from lpa3bench.cli.options import GinFile, plugin_option


@click.command()
@click.argument("files", metavar="FILE…", type=GinFile(), nargs=-1, required=True)
@plugin_option
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...], plugins: tuple[Path, ...]) -> None:
    """Check gin files without training.

    Each FILE is checked by itself: a whole config in each of its settings, down to the ranges of values; an
    overlay (a file that binds no task) for its syntax, names and types. All errors are listed.
    """
    from lpa3bench.config import Checked, check_files
    from lpa3bench.registry import load

    found: list[Checked] = check_files(files, load(plugins))
    for checked in found:
        if not checked.errors:
            click.echo(f"{checked.file}: ok ({_what(checked.overlay, checked.settings)})")
        for error in checked.errors:
            click.echo(f"error: {error}", err=True)
    ctx.exit(max((error.exit_code for checked in found for error in checked.errors), default=0))


def _what(overlay: bool, settings: tuple[str, ...]) -> str:
    if overlay:
        return "overlay: syntax, names and types"
    return f"settings {', '.join(settings)}" if settings else "no settings"
