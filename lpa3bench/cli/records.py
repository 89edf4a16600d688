"""`lpa3bench records`: what runs ended with, a row for each run; and records brought up to date."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpa3bench.cli.options import json_option
from lpa3bench.errors import DataError, error_line
from lpa3bench.types import SLOTS

if TYPE_CHECKING:
    from lpa3bench.records import Record


_VERBS = {
    "list": "List the records in a folder, a row for each run.",
    "upgrade": "Rewrite records of an older schema in today's.",
    "compute": "Compute a metric that came later from the stored predictions of runs.",
}


class RecordVerbs(click.Group):
    """`lpa3bench records DIR` is short for `lpa3bench records list DIR`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in ("upgrade", "compute"):
            found: click.Command = import_module(f"lpa3bench.cli.records{cmd_name}").command
            return found
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([*_VERBS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*_VERBS, *ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=RecordVerbs, subcommand_metavar="[VERB] DIR...")
def command() -> None:
    """List records, and bring them up to date.

    `lpa3bench records DIR...` lists the records there, as `records list` does.
    """


@command.command("list")
@click.argument("places", metavar="DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--all", "all_of_them", is_flag=True, help="List what only served a measurement too.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@click.pass_context
def list_records(
    ctx: click.Context, places: tuple[Path, ...], all_of_them: bool, as_csv: bool, as_json: bool
) -> None:
    """List the records in a folder, a row for each run.

    DIR is a folder of runs, a run, a record, or a board's results/. Records are verified; damaged ones are
    named, left out, and make the exit code 4. Runs that only served a measurement, such as those of augmenter
    cards, are counted and left out. Scores that are shares stand in [0, 1] with --csv and --json,
    and in per cent in the table, which shows those of the metrics that the runs select by, the most frequent
    one first.
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    found, damaged = _read(places)
    records = [record for record in found if all_of_them or record.is_evidence]
    rows = [_row(record) for record in records]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif as_csv:
        from lpa3bench.report.csv_table import csv_text

        click.echo(csv_text(rows), nl=False)
    else:
        for line in _lines(records):
            click.echo(line)
    if left := len(found) - len(records):
        click.echo(f"{left} that only served a measurement left out; --all lists them", err=True)
    for error in damaged:
        click.echo(error_line(error), err=True)
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
    from lpa3bench.boards.measures import measure_of, selecting_metrics
    from lpa3bench.records.summary import LAST, ORACLE_BEST, VAL_SELECTED
    from lpa3bench.report.numbers import format_value

    rules = (LAST, VAL_SELECTED, ORACLE_BEST)
    measures = [
        measure_of(f"{metric}.{rule}", records) for metric in selecting_metrics(records) for rule in rules
    ]
    head = ("run", *(measure.name for measure in measures), "seconds", "passes", "")
    body = [
        (
            str(record),
            *(format_value(record.score(measure.key), measure) for measure in measures),
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
