"""`lpa3bench figure sensitivity`: accuracy against an augmenter's parameters."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lpa3bench.cli.options import drawn_metric_option, figure_out_option, json_option, plugin_option
from lpa3bench.cli.suite_records import from_option, records_of


@click.command()
@click.argument("sources", metavar="SUITE_OR_RUNS...", nargs=-1, required=True)
@from_option
@click.option(
    "--parameter",
    "parameters",
    metavar="NAME",
    multiple=True,
    help="What to draw accuracy against. Repeatable. [default: LPA3.margin and LPA3.ratio]",
)
@drawn_metric_option
@figure_out_option("sensitivity")
@plugin_option
@json_option
def command(
    sources: tuple[str, ...],
    folders: tuple[Path, ...],
    parameters: tuple[str, ...],
    metric: str | None,
    out: Path,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Accuracy against LP-A3's margin and ratio (Fig. 5).

    Of a suite file (suites/digits_sensitivity) the runs of its cells and seeds are looked for in --from DIR;
    otherwise these are run directories, folders of them, or records. A line joins runs that differ in the
    parameter alone; the band is the same task without the augmenter.
    """
    from lpa3bench.boards.measures import chosen_measure
    from lpa3bench.report.figures.sensitivity import (
        SENSITIVITY_PARAMETERS,
        as_data,
        draw_sensitivity,
        sensitivity_lines,
    )

    records = records_of(sources, folders, plugins)
    shown = parameters or SENSITIVITY_PARAMETERS
    files = draw_sensitivity(records, out, parameters=shown, metric=metric)
    if not as_json:
        click.echo("\n".join(map(str, files)))
        return
    key = chosen_measure(metric, records).key
    found = [line for parameter in shown for line in sensitivity_lines(records, parameter, key)]
    told = {"files": [str(file) for file in files], "lines": [as_data(line) for line in found]}
    click.echo(json.dumps(told, indent=1))
