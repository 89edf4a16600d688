"""`lpa3bench figure curves`: test accuracy during training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import figure_out_option, json_option
from lpa3bench.errors import UsageError

if TYPE_CHECKING:
    from lpa3bench.report.figures.series import Panel
    from lpa3bench.stats.curves import Progress


@click.command()
@click.argument("places", type=click.Path(path_type=Path), metavar="RUNS...", nargs=-1, required=True)
@click.option(
    "--by",
    type=click.Choice(["passes", "epochs", "seconds"]),
    multiple=True,
    default=("passes",),
    show_default=True,
    help="What to draw accuracy against. Repeatable.",
)
@click.option(
    "--only", metavar="GLOB", help="Only runs whose folder's name matches, such as 'digits-fixmatch-*'."
)
@click.option(
    "--arm",
    "arms",
    metavar="GLOB",
    multiple=True,
    help="Only methods that are called so in the legend, such as 'weak view only*' or LP-A3. Repeatable.",
)
@click.option(
    "--difference",
    is_flag=True,
    help="Draw differences from each panel's baseline, seed by seed.",
)
@click.option(
    "--whole",
    is_flag=True,
    help="Show all that was measured. [default: the range in which the methods differ]",
)
@figure_out_option("curves")
@json_option
def command(
    places: tuple[Path, ...],
    by: tuple[Progress, ...],
    only: str | None,
    arms: tuple[str, ...],
    difference: bool,
    whole: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Test accuracy against counted passes, epochs or seconds (Fig. 4).

    RUNS are run directories, folders of them, or records: a panel for each environment, a line for each
    method, with mean and spread over its seeds. Or RUNS is the folder of one board: then these are its
    columns and rows, under the names that they have there.
    """
    from lpa3bench.report.figures import curve_figure as curves
    from lpa3bench.report.figures.series import compared, with_arms

    chosen = with_arms(_panels(places, only), arms)
    found = compared(chosen)
    if alone := [panel.title for panel in chosen if panel not in found]:
        click.echo(f"left out, with one method alone: {'; '.join(alone)}", err=True)
    files = curves.draw_curves(found, by, out, difference=difference, whole=whole)
    if not as_json:
        click.echo("\n".join(map(str, files)))
        return
    told = [
        {
            "title": panel.title,
            "arms": [
                {
                    "name": arm.name,
                    "role": arm.role,
                    "seeds": [r.seed for r in arm.records],
                    "runs": [str(r.path) for r in arm.records],
                }
                for arm in panel.arms
            ],
        }
        for panel in found
    ]
    click.echo(json.dumps({"files": [str(file) for file in files], "panels": told}, indent=1))


def _panels(places: tuple[Path, ...], only: str | None) -> list[Panel]:
    from lpa3bench.boards.definition import BOARD_TOML, load_definition
    from lpa3bench.boards.results import stored
    from lpa3bench.records import read_records
    from lpa3bench.report.figures.series import matching, panels, panels_of_board

    boards = [place for place in places if (place / BOARD_TOML).is_file()]
    if not boards:
        return panels(matching(read_records(places), only))
    if len(places) > 1:
        raise UsageError(
            f"{boards[0]}: is a board, which is drawn by itself; for records alone name its results"
        )
    definition = load_definition(boards[0])
    return panels_of_board(definition, matching(stored(definition), only))
