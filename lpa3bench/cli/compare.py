"""`lpa3bench compare`: two methods, seed by seed and at equal cost."""

from __future__ import annotations

from pathlib import Path

import click

from lpa3bench.cli.options import json_option, plugin_option
from lpa3bench.cli.terminal import say
from lpa3bench.errors import UsageError


@click.command()
@click.argument("method", metavar="A")
@click.argument("baseline", metavar="B")
@click.argument("more", metavar="", nargs=-1)
@click.option(
    "--metric",
    metavar="METRIC.RULE",
    help="The score that is compared, such as accuracy.last, nll.last or accuracy.val_selected; without it "
    "the metric that the runs select by, after the last epoch. One that a run lacks is computed from its "
    "predictions.npz, and written into its record.",
)
@click.option(
    "--from",
    "runs",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default="runs",
    show_default=True,
    help="Where cells that are called by name are looked for.",
)
@click.option(
    "--equal-cost",
    metavar="C",
    help="The baseline trained for A's cost, named as A and B are; without it the cell of B's task with the "
    "setting equal_cost that lies beside B.",
)
@plugin_option
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
@json_option
def command(
    method: str,
    baseline: str,
    more: tuple[str, ...],
    metric: str | None,
    runs: Path,
    equal_cost: str | None,
    plugins: tuple[Path, ...],
    as_markdown: bool,
    as_json: bool,
) -> None:
    """Compare two methods, seed by seed and at equal cost.

    Differences are A minus B, the baseline; A is also compared with the baseline trained for A's cost. Each
    is a run directory, a record, a folder of either, a pattern of such paths (in quotes), the name of a cell
    in --from, or shipped:BOARD or shipped:BOARD/CELL for the records that come with the package. Where one
    of them has several cells, those with the same task, data set, labels, setting, backbone and epochs are
    compared.
    """
    from lpa3bench.python.comparing import compare
    from lpa3bench.report.comparison_text import comparison_json, comparison_markdown, comparison_text

    if more:
        raise UsageError(f"takes two arguments, not {len(more) + 2}: put a pattern in quotes")
    if as_json and as_markdown:
        raise UsageError("--json and --markdown: choose one")
    found = compare(method, baseline, metric=metric, equal_cost=equal_cost, runs=runs, plugins=plugins)
    for note in found.notes:
        say(note, err=True)
    show = comparison_json if as_json else comparison_markdown if as_markdown else comparison_text
    say(show(found.compared), as_is=as_json or as_markdown)
