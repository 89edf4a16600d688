"""`lpa3bench records`: what runs ended with, a row for each run; and records brought up to date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpa3bench.cli.options import json_option
from lpa3bench.cli.terminal import say, width
from lpa3bench.cli.verb_group import VerbGroup
from lpa3bench.errors import DataError, error_line
from lpa3bench.runtime.terminal_text import number_table

if TYPE_CHECKING:
    from lpa3bench.boards.board import Measure
    from lpa3bench.records import Record
    from lpa3bench.records.columns import Columns


_VERBS = {
    "list": "List the records in a folder, a row for each run.",
    "upgrade": "Rewrite records of an older schema in today's.",
    "compute": "Compute a metric that came later from the stored predictions of runs.",
}


@click.group(
    cls=VerbGroup,
    lines=_VERBS,
    modules={verb: f"lpa3bench.cli.records{verb}" for verb in ("upgrade", "compute")},
    default="list",
    subcommand_metavar="[VERB] DIR...",
)
def command() -> None:
    """List records, and bring them up to date.

    `lpa3bench records DIR...` lists the records there, as `records list` does.
    """


@command.command("list")
@click.argument("places", metavar="DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--all", "all_of_them", is_flag=True, help="List what only served a measurement too.")
@click.option("--curves", is_flag=True, help="A row a run and epoch, with all the columns of the run.")
@click.option(
    "--by", type=click.Choice(["cell"]), help="A row a cell: mean ± standard deviation over its n seeds."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--parquet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a Parquet file; takes pip install 'lpa3bench[data]'.",
)
@json_option
@click.pass_context
def list_records(
    ctx: click.Context,
    places: tuple[Path, ...],
    all_of_them: bool,
    curves: bool,
    by: str | None,
    as_csv: bool,
    parquet: Path | None,
    as_json: bool,
) -> None:
    """List the records in a folder, a row for each run.

    DIR is a folder of runs, a run, a record, or a board's results/. Records are verified; damaged ones are
    named, left out, and make the exit code 4. Runs that only served a measurement, such as those of augmenter
    cards, are counted and left out. Scores that are shares stand in [0, 1] with --csv, --json and --parquet,
    and in per cent in the table, which shows those of the metrics that the runs select by, the most frequent
    one first. docs/tables.md says what each column is.
    """
    if as_csv + as_json + (parquet is not None) > 1:
        raise click.UsageError("--csv, --json and --parquet exclude each other")
    if curves and by:
        raise click.UsageError("--curves and --by exclude each other")
    if curves and not (as_csv or as_json or parquet):
        raise click.UsageError("--curves: give --csv, --json or --parquet FILE too")
    found, damaged = _read(places)
    records = [record for record in found if all_of_them or record.is_evidence]
    _write(records, curves=curves, by_cell=by is not None, parquet=parquet, as_csv=as_csv, as_json=as_json)
    if left := len(found) - len(records):
        say(f"{left} that only served a measurement left out; --all lists them", err=True)
    for error in damaged:
        say(error_line(error), err=True)
    if damaged:
        ctx.exit(damaged[0].exit_code)


def _write(
    records: list[Record], *, curves: bool, by_cell: bool, parquet: Path | None, as_csv: bool, as_json: bool
) -> None:
    if not (as_csv or as_json or parquet):
        say("\n".join(_cell_lines(records) if by_cell else _lines(records)))
        return
    from lpa3bench.boards.cell_means import cell_columns
    from lpa3bench.records.columns import curve_columns, run_columns

    make = curve_columns if curves else cell_columns if by_cell else run_columns
    columns = make(records)
    if parquet is not None:
        from lpa3bench.records.frames import write_parquet

        write_parquet(parquet, columns)
        click.echo(str(parquet))
        return
    rows = _rows(columns)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        from lpa3bench.report.csv_table import csv_text

        click.echo(csv_text(rows), nl=False)


def _rows(columns: Columns) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


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


def _mark(record: Record) -> str:
    purpose = record.data.purpose
    return "" if record.is_result else f"not a result ({'--limit' if purpose == 'result' else purpose})"


def _lines(records: list[Record]) -> list[str]:
    """A table for people: the run, its scores by the selecting metric, and what it took."""
    from lpa3bench.report.numbers import format_value

    measures = _selecting(records)
    head = ("run", *(measure.name for measure in measures), "seconds", "passes")
    body = [
        (
            str(record),
            *(format_value(record.score(measure.key), measure) for measure in measures),
            f"{record.seconds:.1f}",
            f"{record.passes:.3g}",
        )
        for record in records
    ]
    return number_table(head, body, [*map(_mark, records)], width())


def _cell_lines(records: list[Record]) -> list[str]:
    """The same by cell: mean ± standard deviation of the runs in which a score is defined."""
    from lpa3bench.boards.cell_means import cell_means
    from lpa3bench.report.numbers import format_mean

    cells, again = cell_means(records)
    measures = _selecting(records)
    body = [
        (
            cell.label,
            str(len(cell.runs)),
            *(
                format_mean(of.mean, of.std, measure) if (of := cell.scores.get(measure.key)) else "–"
                for measure in measures
            ),
        )
        for cell in cells
    ]
    if again:
        say(f"{again} further runs of seeds that are there left out", err=True)
    head = ("cell", "n", *(measure.name for measure in measures))
    return number_table(head, body, [_mark(cell.runs[0]) for cell in cells], width())


def _selecting(records: list[Record]) -> list[Measure]:
    """The metrics that the runs select by, by three rules."""
    from lpa3bench.boards.measures import measure_of, selecting_metrics
    from lpa3bench.records.summary import LAST, ORACLE_BEST, VAL_SELECTED

    rules = (LAST, VAL_SELECTED, ORACLE_BEST)
    names = selecting_metrics(records)
    return [measure_of(f"{metric}.{rule}", records) for metric in names for rule in rules]
