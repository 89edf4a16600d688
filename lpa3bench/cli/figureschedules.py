"""`lpa3bench figure schedules`: methods on schedules of several lengths."""

from __future__ import annotations

from pathlib import Path

import click

from lpa3bench.cli.options import drawn_metric_option, figure_out_option, json_option, plugin_option
from lpa3bench.cli.suite_records import from_option, records_of
from lpa3bench.cli.terminal import say


@click.command()
@click.argument("sources", metavar="SUITE_OR_RUNS...", nargs=-1, required=True)
@from_option
@click.option(
    "--arm",
    "arms",
    metavar="GLOB",
    multiple=True,
    help="Only methods that are called so in the legend, such as 'weak view only' or LP-A3. Repeatable.",
)
@click.option(
    "--also",
    metavar="PLUGIN.PARAMETER",
    multiple=True,
    help="A further parameter of schedules, beside the epochs, steps and averages of shipped plugins. "
    "Repeatable.",
)
@drawn_metric_option
@figure_out_option("schedules")
@plugin_option
@json_option
def command(
    sources: tuple[str, ...],
    folders: tuple[Path, ...],
    arms: tuple[str, ...],
    also: tuple[str, ...],
    metric: str | None,
    out: Path,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Accuracy of whole schedules of several lengths, and how alike they rank methods.

    Of suite files (suites/digits_short suites/digits_rivals) the runs of their cells and seeds are looked for
    in --from DIR; otherwise these are run directories, folders of them, or records. A line joins the runs of
    one method that differ in numbers of the schedule alone. Told are Kendall's tau of each schedule's ranking
    with that of the longest which most methods have, and each method against the task alone at its cost.
    """
    from lpa3bench.boards.measures import chosen_measure
    from lpa3bench.report.figures.schedule_figure import draw_schedules
    from lpa3bench.report.figures.schedules import schedule_panels
    from lpa3bench.report.figures.series import matching
    from lpa3bench.report.schedule_text import found_of, schedules_json, schedules_text

    records = matching(records_of(sources, folders, plugins), None)
    measure = chosen_measure(metric, records)
    panels, left_out = schedule_panels(records, measure.key, also=also, arms=arms)
    if left_out:
        say(f"left out, without two methods on two schedules: {'; '.join(left_out)}", err=True)
    files = draw_schedules(panels, measure, out)
    found = [found_of(panel, measure) for panel in panels]
    if as_json:
        click.echo(schedules_json(found, measure, files))
        return
    say(schedules_text(found, measure))
    click.echo("\n".join(map(str, files)))
