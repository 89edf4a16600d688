"""`lpa3bench records`: what runs ended with, a row for each run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpa3bench.cli.options import json_option
from lpa3bench.errors import DataError
from lpa3bench.types import SLOTS

if TYPE_CHECKING:
    from lpa3bench.records import Record


@click.command()
@click.argument("places", metavar="DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@click.pass_context
def command(ctx: click.Context, places: tuple[Path, ...], as_csv: bool, as_json: bool) -> None:
    """List the records in a folder, a row for each run.

    DIR is a folder of runs, a run, a record, or a board's results/. Records are verified; damaged ones are
    named, left out, and make the exit code 4. Accuracies are shares in [0, 1] with --csv and --json, and per
    cent in the table.
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    records, damaged = _read(places)
    rows = [_row(record) for record in records]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif as_csv:
        from lpa3bench.report.csv_table import written

        click.echo(written(rows), nl=False)
    else:
        for line in _lines(records):
            click.echo(line)
    for error in damaged:
        click.echo(f"error: {error}", err=True)
    if damaged:
        ctx.exit(damaged[0].exit_code)


def _read(places: tuple[Path, ...]) -> tuple[list[Record], list[DataError]]:
    """The records there, by cell, identity and seed; and what is wrong with others.

    Raises:
        DataError: there is none at all.
    """
    from lpa3bench.records import find_records, read_record

    records, damaged = [], []
    for path in find_records(places):
        try:
            records.append(read_record(path))
        except DataError as error:
            damaged.append(error)
    if not records and not damaged:
        raise DataError(
            f"{', '.join(map(str, places))}: there is no record; a finished run has a result.json"
        )
    return sorted(records, key=lambda record: (record.name, record.identity, record.seed)), damaged


def _row(record: Record) -> dict[str, Any]:
    """Everything of a record that is one number or one word."""
    cell, cost, provenance = record.cell, record.data.cost, record.data.provenance
    return {
        "cell": record.name,
        "identity": record.identity,
        "seed": record.seed,
        "task": cell.task,
        "dataset": cell.dataset,
        "labels": cell.labels,
        "setting": cell.setting,
        "backbone": cell.backbone,
        **{slot: record.slots.get(slot) for slot in SLOTS},
        "epochs": cell.epochs,
        **{
            f"{metric}.{rule}": score
            for metric, of in record.metrics.items()
            for rule, score in of.scores.items()
        },
        "training_seconds": record.seconds,
        "forward_equivalents": record.passes,
        "steps": sum(cost.steps.values()),
        "peak_memory_bytes": cost.peak_memory_bytes,
        "labels_sha256": record.label_hash,
        "data_sha256": record.data_hash,
        "protocol": record.protocol_version,
        "is_result": record.is_result,
        "purpose": record.data.purpose,
        "numerics": record.numerics,
        "device": provenance.device,
        "cpu_model": provenance.cpu_model,
        "cpu_capability": provenance.cpu_capability,
        "gpu_name": provenance.gpu_name,
        "precision": provenance.precision,
        "threads": provenance.threads,
        "finished": provenance.finished,
        "flags": "; ".join(record.data.flags),
        "path": str(record.path),
    }


def _mark(record: Record) -> str:
    purpose = record.data.purpose
    return "" if record.is_result else f"not a result ({'--limit' if purpose == 'result' else purpose})"


def _lines(records: list[Record]) -> list[str]:
    """A table for people: the run, its scores by the selecting metric, and what it took."""
    from lpa3bench.boards.measures import measure_of
    from lpa3bench.records.summary import LAST, ORACLE_BEST, VAL_SELECTED
    from lpa3bench.report.numbers import score

    selects = dict.fromkeys(record.data.select for record in records)
    rules = (LAST, VAL_SELECTED, ORACLE_BEST)
    measures = [measure_of(f"{metric}.{rule}", records) for metric in selects for rule in rules]
    head = ("run", *(measure.name for measure in measures), "seconds", "passes", "")
    body = [
        (
            str(record),
            *(score(record.score(measure.key), measure) for measure in measures),
            f"{record.seconds:.1f}",
            f"{record.passes:.3g}",
            _mark(record),
        )
        for record in records
    ]
    widths = [max(len(row[place]) for row in (head, *body)) for place in range(len(head))]
    return [
        "  ".join(
            text.ljust(width) if place in (0, len(head) - 1) else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *body)
    ]
