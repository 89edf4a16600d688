"""`lpa3bench leaderboard site`: boards and an index of them, as pages of one site."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import json_option, plugin_option
from lpa3bench.errors import DataError, UsageError

if TYPE_CHECKING:
    from lpa3bench.boards.board import Board
    from lpa3bench.boards.definition import Definition
    from lpa3bench.plugin.registry import Registry
    from lpa3bench.report.links import Known
    from lpa3bench.runtime.files import Writer

DAMAGED_EXIT = 4
EPOCH = "SOURCE_DATE_EPOCH"


@click.command()
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path, file_okay=False))
@click.argument("boards", metavar="[BOARDS]...", nargs=-1)
@click.option(
    "--docs",
    default="",
    metavar="ADDRESS",
    help="Where the documentation's start page lies, from OUT: plugins and gin files link to its reference.",
)
@click.option("--commit", default="", metavar="TEXT", help="The commit that the pages are made at.")
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help=f"The day on the pages. Default: that of {EPOCH}, else of the newest record.",
)
@plugin_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    out: Path,
    boards: tuple[str, ...],
    docs: str,
    commit: str,
    date: datetime | None,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write boards and an index of them as a site of pages that load nothing.

    BOARDS are folders of boards, or folders that hold such, or names of packaged boards; without one all
    packaged boards are taken. OUT gets an index.html, and for each board a folder with its pages and the
    records that they link to. The boards themselves are left as they are. A damaged record is named and left
    out, and the exit code is then 4.
    """
    from lpa3bench.plugin.registry import load_registry
    from lpa3bench.report.site import Site, site_pages
    from lpa3bench.runtime.files import make_folders, text_writer, write_all

    day = date.date().isoformat() if date else _epoch_date()  # before numpy, which reads it too
    registry = load_registry(plugins)
    damaged: list[DataError] = []
    built = [_built(folder, registry, damaged) for folder in _folders(boards)]
    _check_places(out, [definition for definition, _ in built])
    site = Site(
        known=_known(registry, docs),
        docs=docs,
        date=day,
        commit=commit,
    )
    pages, summaries = site_pages(built, site)
    files: dict[Path, Writer] = {out / path: text_writer(text) for path, text in pages.items()}
    for definition, board in built:
        files |= _records(out, definition, board)
    make_folders(path.parent for path in files)
    write_all(files)
    for error in damaged:
        click.echo(f"refused {error}", err=True)
    told = {"index": str(out / "index.html"), "boards": [asdict(summary) for summary in summaries]}
    click.echo(json.dumps(told, indent=1) if as_json else told["index"])
    if damaged:
        ctx.exit(DAMAGED_EXIT)


def _folders(boards: Sequence[str]) -> Iterator[Path]:
    """Those of boards, in the order of the command line, within a folder by name.

    Raises:
        DataError: there is no such folder, or no board in it.
    """
    from lpa3bench.boards.definition import BOARD_TOML
    from lpa3bench.publish.board_bundle import BOARDS, board_folder
    from lpa3bench.runtime.paths import shipped

    for folder in map(board_folder, boards) if boards else [shipped(BOARDS)]:
        if (folder / BOARD_TOML).is_file():
            yield folder
            continue
        found = sorted(path.parent for path in folder.glob(f"*/{BOARD_TOML}"))
        if not found:
            raise DataError(f"{folder}: neither has a {BOARD_TOML} nor holds a folder that has one")
        yield from found


def _built(folder: Path, registry: Registry, damaged: list[DataError]) -> tuple[Definition, Board]:
    from lpa3bench.boards.building import build_board
    from lpa3bench.boards.definition import load_definition
    from lpa3bench.boards.joined_scores import with_later_scores
    from lpa3bench.boards.results import results_of, stored
    from lpa3bench.plugin.renames import current_names
    from lpa3bench.records import searches

    definition = load_definition(folder, current_names(registry))
    records = stored(definition, damaged.append)
    behind = searches.by_run(searches.read_searches(results_of(definition), damaged.append))
    records = with_later_scores(definition, records, refuse=damaged.append)
    return definition, build_board(definition, records, behind)


def _check_places(out: Path, definitions: Sequence[Definition]) -> None:
    """Raises UsageError where two boards would have one folder, or OUT holds the boards themselves."""
    twice = [key for key, n in Counter(definition.key for definition in definitions).items() if n > 1]
    if twice:
        folders = [str(one.path.parent) for one in definitions if one.key == twice[0]]
        raise UsageError(
            f"{' and '.join(folders)}: both would be {out / twice[0]}; rename one, or leave it out"
        )
    for definition in definitions:
        if (out / definition.key).resolve() == definition.path.parent.resolve():
            raise UsageError(
                f"{out}: holds the board {definition.key} itself; name another folder for the site"
            )


def _known(registry: Registry, docs: str) -> Known:
    """What pages may link to; the reference has a page a kind, and one of all gin files."""
    from lpa3bench.plugin.description import paper_of
    from lpa3bench.report.links import Known, PluginLinks, page_anchor
    from lpa3bench.report.site import joined_address
    from lpa3bench.runtime.paths import config_names, suite_names

    reference = f"{joined_address(docs, '../')}/reference" if docs else ""
    return Known(
        plugins={
            entry.name: PluginLinks(
                reference=f"{reference}/{entry.kind}.html#{page_anchor(entry.name)}"
                if reference and entry.is_ours
                else "",
                paper=paper_of(entry),
            )
            for entry in registry.entries
        },
        configs={
            name: f"{reference}/configs.html#{page_anchor(name)}" if reference else ""
            for name in (*config_names(), *suite_names())
        },
    )


def _records(out: Path, definition: Definition, board: Board) -> dict[Path, Writer]:
    """What copies the records to where the board's page links to them."""
    from lpa3bench.boards.results import results_of

    home, target = results_of(definition), Path(os.path.normpath(out / board.key / board.results))
    return {target / name: partial(shutil.copyfile, home / name) for name in board.records}


def _epoch_date() -> str:
    """Raises UsageError where SOURCE_DATE_EPOCH is no number of seconds."""
    told = os.environ.get(EPOCH, "")
    if not told:
        return ""
    try:
        return datetime.fromtimestamp(int(told), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{EPOCH}={told}: is no number of seconds since 1970") from None
