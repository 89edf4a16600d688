"""`lpa3bench leaderboard`: boards built from records, records merged in, boards published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpa3bench.cli.options import json_option, plugin_option
from lpa3bench.cli.terminal import say
from lpa3bench.cli.verb_group import VerbGroup
from lpa3bench.errors import BenchError, ConfigError, DataError
from lpa3bench.runtime.counting import counted

if TYPE_CHECKING:
    from lpa3bench.boards.definition import Definition
    from lpa3bench.boards.results import Offered, Sorted
    from lpa3bench.plugin.registry import Registry
    from lpa3bench.records import Record

_VERBS = {
    "build": "Take records into a board, if asked to, and write its pages.",
    "merge": "Take records of other machines into a board.",
    "site": "Write boards and an index of them as a site.",
    "publish": "Show a board at Weights & Biases: a table, and its files as an artifact.",
}
NOT_TAKEN_EXIT = 4


@click.group(
    cls=VerbGroup,
    lines=_VERBS,
    modules={"site": "lpa3bench.cli.leaderboardsite", "publish": "lpa3bench.cli.leaderboardpublish"},
    subcommand_metavar="VERB [ARGS]...",
)
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
@json_option
@click.pass_context
def build_verb(
    ctx: click.Context,
    folder: Path,
    places: tuple[Path, ...],
    fresh: bool,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Take records into a board, if asked to, and write its pages.

    BOARD is a folder such as leaderboards/digits. Without --from its pages are made again from its results/
    alone, byte for byte. A folder without a board.toml gets a draft of one, with a place for every record; it
    is drafted anew when records are taken, while nobody has edited it. A record that is refused, or that no
    row and column is for, makes the exit code 4; the rest is taken all the same. A metric of the board that a
    run lacks is computed from its predictions.npz, and written into its record.
    """
    from lpa3bench.boards.definition import BOARD_TOML
    from lpa3bench.plugin.registry import load_registry

    if fresh and not places:
        raise click.UsageError("--fresh removes the board's records; say with --from where the new ones are")
    registry = load_registry(plugins)
    draft = places and not (folder / BOARD_TOML).exists()
    _report(ctx, take_into_board(folder, places, registry, draft=bool(draft), fresh=fresh), as_json)


@command.command()
@folder_argument
@click.argument("places", metavar="PLACE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@plugin_option
@json_option
@click.pass_context
def merge(
    ctx: click.Context, folder: Path, places: tuple[Path, ...], plugins: tuple[Path, ...], as_json: bool
) -> None:
    """Take records of other machines into a board.

    PLACE is a record, a run, or a folder of either. Each is verified: its form, that its scores follow from
    its curve and from its predictions.npz where that lies beside it, its protocol version, and that it fits
    what the board has. What is refused is named with the
    reason, and then the exit code is 4; the rest is taken and the board is built.
    """
    from lpa3bench.boards.definition import BOARD_TOML
    from lpa3bench.plugin.registry import load_registry

    if not (folder / BOARD_TOML).exists():
        raise ConfigError(
            f"{folder}: is no board; `lpa3bench leaderboard build {folder} --from {places[0]}` makes one"
        )
    _report(ctx, take_into_board(folder, places, load_registry(plugins), refuse_others=True), as_json)


def _report(ctx: click.Context, told: dict[str, Any], as_json: bool) -> None:
    all_taken = told.pop("all_taken")
    say(json.dumps(told, indent=1) if as_json else "\n".join(told["pages"]), as_is=as_json)
    if not all_taken:
        ctx.exit(NOT_TAKEN_EXIT)


def take_into_board(
    folder: Path,
    places: tuple[Path, ...],
    registry: Registry,
    *,
    draft: bool = False,
    fresh: bool = False,
    refuse_others: bool = False,
) -> dict[str, Any]:
    """Take the records in these places, if there are any places, and write the board: all of it, or nothing.

    Returns what there is to tell of it, and whether all that should be in it is.

    Args:
        draft: there is no board.toml yet.
        fresh: the records replace those that the board has.
        refuse_others: records that the board's own conditions turn away are refused.
    """
    from lpa3bench.boards.left_out import left_out
    from lpa3bench.boards.results import Sorted, offered
    from lpa3bench.cli.boardnames import check_names
    from lpa3bench.plugin.renames import current_names

    offers = offered(places, current_names(registry)) if places else None
    damaged: list[DataError] = []
    definition, text, there = _definition(folder, offers, registry, damaged, draft=draft, fresh=fresh)
    found = _sorted(definition, there, offers, registry) if offers else Sorted()
    if refuse_others and not any(vars(found).values()):
        raise DataError(f"{', '.join(map(str, places))}: there is no record")
    check_names(definition, registry, [*there, *found.readable])
    for path, reason in found.refused:
        say(f"refused {path}: {reason}", err=True)
    out = [*left_out(definition, found.foreign)]
    for experiment in out:
        say(experiment.text, err=True)
    if fresh and (found.refused or not found.taken):
        why = f"{len(found.refused)} records are refused" if found.refused else "--from has no record for it"
        raise DataError(f"{folder}: {why}, so --fresh removed nothing, and nothing was taken")
    told = _write(definition, folder, there, found, places, text, damaged, fresh=fresh)
    missed = any(refuse_others or not experiment.on_purpose for experiment in out)
    return {**told, "all_taken": not (found.refused or damaged or missed)}


def _definition(
    folder: Path,
    offers: Offered | None,
    registry: Registry,
    damaged: list[DataError],
    *,
    draft: bool,
    fresh: bool,
) -> tuple[Definition, str | None, list[Record]]:
    """What the board shows; the text of a draft that says so, where its `board.toml` is one to be; and the
    records that it has and keeps.

    Args:
        damaged: takes those that cannot be read.
    """
    from lpa3bench.boards.definition import BOARD_TOML, load_definition, parse_definition
    from lpa3bench.boards.draft_text import is_unedited
    from lpa3bench.boards.drafts import draft as drafted
    from lpa3bench.boards.results import stored
    from lpa3bench.boards.toml_text import TomlText
    from lpa3bench.plugin.renames import current_names

    current, path = current_names(registry), folder / BOARD_TOML
    old = None if draft else load_definition(folder, current)
    there = [] if fresh or old is None else stored(old, damaged.append)
    if old is not None and not (offers and is_unedited(old.source.text)):
        return old, None, there
    records = [*there, *(offers.results if offers else ())]
    if offers and not records:
        for place, reason in offers.damaged.items():
            say(f"refused {place}: {reason}", err=True)
    text = drafted(records, folder.resolve().name)
    new = parse_definition(TomlText(path, text), current)
    if old is None and not fresh:
        there = stored(new, damaged.append)
    return new, None if old is not None and text == old.source.text else text, there


def _sorted(board: Definition, there: Sequence[Record], offers: Offered, registry: Registry) -> Sorted:
    """What becomes of the records that are offered, once they have the board's metrics; what their
    predictions contradict is refused."""
    from lpa3bench.analysis.stored_metrics import StoredMetrics
    from lpa3bench.boards.results import sort

    metrics = StoredMetrics(registry, partial(say, err=True))
    paths = [*offers.records, *offers.damaged]
    offers.read(metrics.add(paths, (board.metric, *board.also), offers.records))
    return sort(board, there, offers, metrics.doubt)


def _write(
    definition: Definition,
    folder: Path,
    there: Sequence[Record],
    found: Sorted,
    places: tuple[Path, ...],
    text: str | None,
    damaged: list[DataError],
    *,
    fresh: bool,
) -> dict[str, Any]:
    """Write the board: the records that it takes, its pages, and the text of its `board.toml` if that is new.
    Returns what there is to tell of it.

    Args:
        there: records that it has, and keeps.
        damaged: files of its own that were left out; what is left out here is added, what is replaced taken
            away, and the rest is named.
        fresh: others are removed.
    """
    from lpa3bench.boards.building import build_board
    from lpa3bench.boards.intake import Intake, drop_others, intake
    from lpa3bench.boards.joined_scores import with_later_scores
    from lpa3bench.boards.results import results_of
    from lpa3bench.boards.source_copies import copies_to_take, drop_copies
    from lpa3bench.records import searches
    from lpa3bench.report import board_pages
    from lpa3bench.runtime.files import make_folders, text_writer, write_all

    new = Intake((), ())
    if places:
        searched = searches.find_searches(places, damaged.append)
        new = intake(
            definition,
            found.taken,
            searched,
            replications=found.replications,
            known=found.known,
            refuse=damaged.append,
        )
    copies = copies_to_take(definition, [*found.taken, *found.replications, *found.known])
    own = [] if fresh else searches.read_searches(results_of(definition), damaged.append)
    behind = {one.path: one for one in own}
    behind |= {one.path: one for one in new.searches}
    records = with_later_scores(definition, [*there, *new.records], new.scores, damaged.append, fresh=fresh)
    try:
        board = build_board(definition, records, searches.by_run(behind.values()))
    except BenchError as error:
        raise type(error)(f"{error}; --fresh --from PLACE begins anew") from error
    pages = board_pages(board, folder)
    head = {} if text is None else {definition.path: text_writer(text)}
    files = {**new.files, **copies, **head, **pages}
    make_folders(path.parent for path in files)
    write_all(files)
    damaged[:] = [refused for refused in damaged if refused.path not in new.files]
    for refused in damaged:
        say(f"refused {refused}", err=True)
    if fresh:
        drop_others(definition, new.files)
        drop_copies(definition, [*found.taken, *found.replications])
    if text is not None:
        say(f"wrote {definition.path}, a draft with a place for every record; it is yours to edit", err=True)
    if places:
        known = f", {len(found.known)} were there already" if found.known else ""
        again = f", {len(found.replications)} kept as replications" if found.replications else ""
        out = f", {len(found.foreign)} left out" if found.foreign else ""
        took = f"{counted(len(found.taken), 'record')} taken, {len(found.refused)} refused"
        say(f"{took}{known}{again}{out}", err=True)
    if found.aids:
        say(f"{len(found.aids)} that only served a measurement left out", err=True)
    say(f"{board.measured} of {len(board.cells)} cells are measured", err=True)
    return {
        "pages": [*map(str, pages)],
        "taken": len(found.taken),
        "known": len(found.known),
        "replications": len(found.replications),
        "left_out": len(found.foreign),
        "refused": [{"path": str(path), "reason": reason} for path, reason in found.refused],
        "cells": len(board.cells),
        "measured": board.measured,
    }
