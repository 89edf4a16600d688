"""What the runs of a suite came to, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lpa3bench.boards.board import Measure
from lpa3bench.boards.measures import measure_of, selecting_metrics
from lpa3bench.errors import printable
from lpa3bench.records import Record
from lpa3bench.records.summary import LAST
from lpa3bench.report.numbers import format_mean, format_seconds
from lpa3bench.runtime.terminal_text import number_table
from lpa3bench.stats.means import Summary, summarise
from lpa3bench.suites.suite_run import SuiteRun


@dataclass(frozen=True)
class CellResult:
    """The finished runs of a cell, one a seed."""

    cell: str
    """As it stands in the suite file."""
    n: int
    scores: dict[str, Summary]
    """By measure, over the runs in which it is defined."""
    seconds: float
    """Mean wall-clock seconds of training."""


def cell_results(runs: Iterable[SuiteRun]) -> tuple[list[CellResult], list[Measure]]:
    """The cells that have finished results, in their order; and what their runs are judged by: the metrics
    that they select by, after the last epoch.

    Raises:
        RunFailed: a record is damaged.
    """
    records: dict[str, list[Record]] = {}
    for run in runs:
        record = run.folder.record() if run.purpose == "result" else None
        if record is not None:
            records.setdefault(run.cell, []).append(record)
    every = [record for its in records.values() for record in its]
    measures = [measure_of(f"{name}.{LAST}", every) for name in selecting_metrics(every)]
    return [_of_cell(cell, its, measures) for cell, its in records.items()], measures


def _of_cell(cell: str, records: Sequence[Record], measures: Sequence[Measure]) -> CellResult:
    scores = {m.key: [s for r in records if (s := r.score(m.key)) is not None] for m in measures}
    return CellResult(
        cell,
        len(records),
        {key: summarise(values) for key, values in scores.items() if values},
        fmean(record.seconds for record in records),
    )


def cell_table(cells: Sequence[CellResult], measures: Sequence[Measure], width: int | None) -> str:
    """For people: mean ± sample standard deviation, how many runs, and how long one took."""
    head = ("cell", *(f"{m.name}{f', {m.unit}' if m.unit else ''}" for m in measures), "n", "time a run")
    body = [
        (
            printable(of.cell),
            *(
                format_mean(found.mean, found.std, m) if (found := of.scores.get(m.key)) else "–"
                for m in measures
            ),
            str(of.n),
            format_seconds(of.seconds),
        )
        for of in cells
    ]
    return "\n".join(number_table(head, body, [""] * len(body), width, cut_names=True))


def cell_data(cells: Sequence[CellResult]) -> list[dict[str, Any]]:
    """For programs: shares are in [0, 1]."""
    return [
        {
            "cell": of.cell,
            "n": of.n,
            "scores": {
                key: {"mean": found.mean, "sd": found.std, "n": found.n} for key, found in of.scores.items()
            },
            "seconds": of.seconds,
        }
        for of in cells
    ]
