"""`lpa3bench bundle`: a board as one file that others can rebuild and check."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lpa3bench.cli.options import data_option, device_option, json_option, plugin_option
from lpa3bench.cli.terminal import say
from lpa3bench.cli.verb_group import VerbGroup
from lpa3bench.runtime.counting import counted

_VERBS = {
    "make": "Put a board with all that rebuilds it into one file.",
    "check": "Rebuild the board in such a file, and train runs of it again.",
}


@click.group(cls=VerbGroup, lines=_VERBS, default="make", subcommand_metavar="[VERB] BOARD")
def command() -> None:
    """Put a board into one file that rebuilds it, or check one.

    `lpa3bench bundle BOARD` makes one, as `bundle make` does.
    """


@command.command("make")
@click.argument("board", metavar="BOARD")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write. [default: BOARD.bundle.zip]",
)
@plugin_option
@json_option
def make(board: str, out: Path | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """Put a board with all that rebuilds it into one file.

    BOARD is a board's folder, or the name of one that comes with the package. The file is a zip archive with
    the records, the board.toml, the pages, a gin file for each experiment, the sources of plugins that were
    given as files, and the versions of everything.
    """
    from lpa3bench.publish.board_bundle import board_folder, write_bundle

    folder = board_folder(board)
    done = write_bundle(folder, out or Path(f"{folder.resolve().name}.bundle.zip"), plugins=plugins)
    if as_json:
        import msgspec

        told = {"path": str(done.path), "files": done.files, **msgspec.to_builtins(done.manifest)}
        click.echo(json.dumps(told, indent=1))
    else:
        say(f"{done.path}: {counted(done.manifest.records, 'record')} in {counted(done.files, 'file')}")


@command.command("check")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--rerun",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Train N runs again, those that took the fewest passes first, and compare.",
)
@click.option(
    "--run-plugins",
    is_flag=True,
    help="Import plugin files that the bundle brings: they are code of whoever made it.",
)
@device_option
@data_option
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    file: Path,
    rerun: int,
    run_plugins: bool,
    device: str,
    data: Path | None,
    as_json: bool,
) -> None:
    """Rebuild the board in such a file, and train runs of it again.

    Every record is verified, the board is built from them and compared with the pages in the file, and each
    experiment is read as this lpa3bench reads it. Where pages differ, or a run does not come out again, the
    exit code is 1. In other surroundings (another processor, another PyTorch) runs end with other bits, and
    how far apart they are is told. Experiments with plugin files that the bundle brings are left out
    unless --run-plugins is given.
    """
    from dataclasses import asdict

    from lpa3bench.publish.bundle_check import check_bundle, page_advice
    from lpa3bench.runtime.paths import data_root

    done = check_bundle(file, data=data_root(data), rerun=rerun, device=device, run_plugins=run_plugins)
    if as_json:
        import msgspec

        told = {**asdict(done), "manifest": msgspec.to_builtins(done.manifest), "agrees": done.agrees}
        click.echo(json.dumps(told, indent=1))
    else:
        say(f"{done.manifest.board}: {counted(done.records, 'record')} verified")
        if done.pages:
            advice = page_advice(done.manifest)
            say(f"not what the records build: {', '.join(done.pages)}; {advice}")
        else:
            say("every page is what the records build")
        for other in done.configs:
            say(f"another experiment here: {other}")
        if done.untrusted:
            say(
                f"{counted(done.untrusted, 'experiment')} left out, with plugin files that --run-plugins runs"
            )
        for one in done.reruns:
            say(f"{one.run}: {one.text}")
    if not done.agrees:
        ctx.exit(1)
