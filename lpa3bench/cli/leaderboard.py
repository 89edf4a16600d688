"""`lpa3bench leaderboard`: boards built from records, records merged in, boards published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import plugin_option
from lpa3bench.errors import BenchError, ConfigError, DataError

if TYPE_CHECKING:
    from lpa3bench.boards.definition import Definition
    from lpa3bench.boards.results import Sorted
    from lpa3bench.plugin.registry import Registry
    from lpa3bench.records import Record

_VERBS = {
    "build": "Take records into a board, if asked to, and write its pages.",
    "merge": "Take records of other machines into a board.",
    "publish": "Show a board at Weights & Biases: a table, and its files as an artifact.",
}
NOT_TAKEN_EXIT = 4


class Verbs(click.Group):
    """Imports what publishes only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "publish":
            from lpa3bench.cli.leaderboardpublish import publish

            return publish
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([*_VERBS.items()])


@click.group(cls=Verbs, subcommand_metavar="VERB [ARGS]...")
def command() -> None:
    """Build boards from records, merge records, publish boards.

    A board is a folder with a board.toml, which says what it shows, and the records in its results/.
    """


folder_argument = click.argument("folder", metavar="BOARD", type=click.Path(path_type=Path, file_okay=False))
fresh_option = click.option(
    "--fresh",
    is_flag=True,
    help="Replace the board's records by those of --from; nothing is removed where one of these is refused.",
)


@command.command("build")
@folder_argument
@click.option(
    "--from",
    "places",
    type=click.Path(path_type=Path),
    metavar="PLACE",
    multiple=True,
    help="Take the records there first: a run, a folder of runs, or a record. Repeatable.",
)
@fresh_option
@plugin_option
@click.pass_context
def build_verb(
    ctx: click.Context, folder: Path, places: tuple[Path, ...], fresh: bool, plugins: tuple[Path, ...]
) -> None:
    """Take records into a board, if asked to, and write its pages.

    BOARD is a folder such as leaderboards/digits. Without --from its pages are made again from its results/
    alone, byte for byte. A folder without a board.toml gets one that has a place for every record. A record
    that belongs here and is refused makes the exit code 4; the rest is taken all the same. A metric of the
    board that a run lacks is computed from its predictions.npz, and written into its record.
    """
    from lpa3bench.boards import drafts as drafting
    from lpa3bench.boards.definition import BOARD_TOML, load_definition
    from lpa3bench.boards.results import Sorted, results, stored
    from lpa3bench.plugin.registry import load_registry
    from lpa3bench.plugin.renames import current_names

    if fresh and not places:
        raise click.UsageError("--fresh removes the board's records; say with --from where the new ones are")
    registry = load_registry(plugins)
    current = current_names(registry)
    if places and not (folder / BOARD_TOML).exists():
        text = drafting.draft(results(places, current), folder.resolve().name)
        board = _drafted(text, folder, current)
    else:
        board = load_definition(folder, current)
    damaged: list[DataError] = []
    there = [] if fresh else stored(board, _left_to_the_end)
    found = _sorted(board, there, places, registry) if places else Sorted()
    if fresh:
        _must_replace(found, folder)
    if places:
        _store(board, found, places, damaged, alone=fresh)
        _tell(found)
        if found.foreign:
            click.echo(f"{len(found.foreign)} of no cell of this board", err=True)
    _write(board, folder, damaged)
    if found.refused or damaged:
        ctx.exit(NOT_TAKEN_EXIT)


@command.command()
@folder_argument
@click.argument("places", metavar="PLACE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@plugin_option
@click.pass_context
def merge(ctx: click.Context, folder: Path, places: tuple[Path, ...], plugins: tuple[Path, ...]) -> None:
    """Take records of other machines into a board.

    PLACE is a record, a run, or a folder of either. Each is verified: its form, that its scores follow from
    its curve and from its predictions.npz where that lies beside it, its protocol version, and that it fits
    what the board has. What is refused is named with the
    reason, and then the exit code is 4; the rest is taken and the board is built.
    """
    from lpa3bench.boards.definition import BOARD_TOML, load_definition
    from lpa3bench.boards.results import stored
    from lpa3bench.plugin.registry import load_registry
    from lpa3bench.plugin.renames import current_names

    if not (folder / BOARD_TOML).exists():
        raise ConfigError(
            f"{folder}: is no board; `lpa3bench leaderboard build {folder} --from {places[0]}` makes one"
        )
    registry = load_registry(plugins)
    board = load_definition(folder, current_names(registry))
    damaged: list[DataError] = []
    found = _sorted(board, stored(board, _left_to_the_end), places, registry)
    if not (found.taken or found.known or found.replications or found.refused or found.foreign):
        raise DataError(f"{', '.join(map(str, places))}: there is no record")
    _store(board, found, places, damaged)
    _tell(found)
    for path, reason in found.foreign:
        click.echo(f"refused {path}: {reason}", err=True)
    _write(board, folder, damaged)
    if found.refused or found.foreign or damaged:
        ctx.exit(NOT_TAKEN_EXIT)


def _sorted(
    board: Definition, there: Sequence[Record], places: tuple[Path, ...], registry: Registry
) -> Sorted:
    """What becomes of the records there, once they have the board's metrics; what their predictions
    contradict is refused."""
    from lpa3bench.boards.results import sort
    from lpa3bench.cli.storedmetrics import StoredMetrics
    from lpa3bench.records import find_records

    metrics = StoredMetrics(registry)
    metrics.add([*find_records(places)], (board.metric, *board.also))
    return sort(board, there, places, metrics.doubt)


def _drafted(text: str, folder: Path, current: Callable[[str], str]) -> Definition:
    """The definition that was made up, written down for its owner."""
    from lpa3bench.boards.definition import BOARD_TOML, parse_definition
    from lpa3bench.runtime.files import write_text

    path = folder / BOARD_TOML
    board = parse_definition(text, path, current)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    click.echo(f"wrote {path}, which has a place for every record; edit it and build again", err=True)
    return board


def _left_to_the_end(error: DataError) -> None:
    """A damaged record of the board's may be replaced meanwhile; `_write` names those that are left."""


def _store(
    board: Definition,
    found: Sorted,
    places: tuple[Path, ...],
    damaged: list[DataError],
    *,
    alone: bool = False,
) -> None:
    from lpa3bench.boards.results import store, store_searches
    from lpa3bench.boards.source_copies import drop_copies, store_copies
    from lpa3bench.records import searches

    searched = searches.find_searches(places, damaged.append)
    store(board, found.taken, searched, replications=found.replications, alone=alone)
    store_searches(board, found.known, searched)
    store_copies(board, [*found.taken, *found.replications, *found.known])
    if alone:
        drop_copies(board, [*found.taken, *found.replications])


def _must_replace(found: Sorted, folder: Path) -> None:
    """Before the records that a board had are removed: those that are to follow them are all good.

    Raises:
        DataError: one of them is refused, or there are none.
    """
    if found.refused or not found.taken:
        _tell_refused(found)
        why = f"{len(found.refused)} records are refused" if found.refused else "--from has no record for it"
        raise DataError(f"{folder}: {why}, so --fresh removed nothing, and nothing was taken")


def _tell_refused(found: Sorted) -> None:
    for path, reason in found.refused:
        click.echo(f"refused {path}: {reason}", err=True)


def _tell(found: Sorted) -> None:
    """What became of the records, on stderr."""
    _tell_refused(found)
    known = f", {len(found.known)} were there already" if found.known else ""
    again = f", {len(found.replications)} kept as replications" if found.replications else ""
    click.echo(f"{len(found.taken)} records taken, {len(found.refused)} refused{known}{again}", err=True)


def _write(definition: Definition, folder: Path, damaged: list[DataError]) -> None:
    """Build the board from what lies in its folder, and write its pages.

    Args:
        damaged: files that were left out so far; those that are left out here are added, and all are named.
    """
    from lpa3bench.boards.building import build_board
    from lpa3bench.boards.results import results_of, stored
    from lpa3bench.records import searches
    from lpa3bench.report import write_board

    try:
        records = stored(definition, damaged.append)
        searched = searches.find_searches([results_of(definition)], damaged.append)
        board = build_board(definition, records, searched)
    except BenchError as error:
        raise type(error)(f"{error}; --fresh --from PLACE begins anew") from error
    for refused in damaged:
        click.echo(f"refused {refused}", err=True)
    for path in write_board(board, folder):
        click.echo(str(path))
    click.echo(f"{board.measured} of {len(board.cells)} cells are measured", err=True)
