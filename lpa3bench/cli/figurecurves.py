"""`lpa3bench figure curves`: test accuracy during training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import json_option

if TYPE_CHECKING:
    from lpa3bench.report.figures.curve_figure import By


@click.command()
@click.argument("places", type=click.Path(path_type=Path), metavar="RUNS...", nargs=-1, required=True)
@click.option(
    "--by",
    type=click.Choice(["epochs", "passes", "seconds"]),
    multiple=True,
    help="What to draw accuracy against. Repeatable. [default: all three]",
)
@click.option(
    "--only", metavar="GLOB", help="Only runs whose folder's name matches, such as 'digits-fixmatch-*'."
)
@click.option(
    "--arm",
    "arms",
    metavar="GLOB",
    multiple=True,
    help="Only methods that are called so in the legend, such as 'baseline*' or '+ LP-A3*'. Repeatable.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", default=Path("curves"), show_default=True,
    help="FILE.svg and FILE.png are written.",
)  # fmt: skip
@json_option
def command(
    places: tuple[Path, ...],
    by: tuple[By, ...],
    only: str | None,
    arms: tuple[str, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Test accuracy against epochs, counted passes or seconds (Fig. 4).

    RUNS are run directories, folders of them, or records. A row of panels for each environment, a line for
    each method, with mean and spread over its seeds.
    """
    from lpa3bench.records import read_records
    from lpa3bench.report.figures import curve_figure as curves
    from lpa3bench.report.figures.series import matching, panels, with_arms

    found = with_arms(panels(matching(read_records(places), only)), arms)
    files = curves.draw_curves(found, by or tuple(curves.AXIS_LABELS), out)
    if not as_json:
        click.echo("\n".join(map(str, files)))
        return
    told = [
        {
            "title": panel.title,
            "arms": [
                {
                    "name": arm.name,
                    "seeds": [r.seed for r in arm.records],
                    "runs": [str(r.path) for r in arm.records],
                }
                for arm in panel.arms
            ],
        }
        for panel in found
    ]
    click.echo(json.dumps({"files": [str(file) for file in files], "panels": told}, indent=1))
