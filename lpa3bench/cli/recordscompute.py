"""`lpa3bench records compute`: a metric that was written after the runs, from their stored predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lpa3bench.analysis.stored_metrics import StoredMetrics, refuse_where_copied
from lpa3bench.cli.options import json_option, plugin_option
from lpa3bench.cli.terminal import say
from lpa3bench.errors import DataError, UsageError, error_line, with_plugin_hint


@click.command()
@click.argument("places", metavar="DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--metric", "names", metavar="NAME", multiple=True, required=True, help="A metric's name. Repeatable."
)
@plugin_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    places: tuple[Path, ...],
    names: tuple[str, ...],
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Compute a metric that came later from the stored predictions of runs.

    DIR is a run or a folder of runs, whose predictions.npz are read; nothing is trained. The metric goes into
    the record as computed later, for the last epoch and the one that was selected. A record that its
    predictions contradict is named and left as it is, and then the exit code is 4.
    """
    from lpa3bench.analysis.late_metrics import with_metrics
    from lpa3bench.plugin.registry import load_registry
    from lpa3bench.records import find_records, read_record, write_record

    registry = load_registry(plugins)
    paths = [*find_records(places)]
    metrics = []
    for name in names:
        metric = StoredMetrics(registry).metric(name)
        if metric is None:
            refuse_where_copied(name, [path.parent for path in paths])
            known = ", ".join(one.name for one in registry.kind("metrics"))
            raise UsageError(with_plugin_hint(f"--metric {name}: there is no such metric; there are {known}"))
        metrics.append(metric)
    failed, told = 0, list[dict[str, Any]]()
    for path in paths:
        try:
            record = read_record(path)
            write_record(path, with_metrics(record, metrics))
            told.append({"record": str(path), "metrics": [metric.name for metric in metrics]})
            if not as_json:
                say(f"{record}: {', '.join(metric.name for metric in metrics)}")
        except DataError as error:
            say(error_line(error), err=True)
            failed += 1
    if as_json:
        click.echo(json.dumps(told, indent=1))
    if failed:
        ctx.exit(DataError.exit_code)
