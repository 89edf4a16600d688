"""A board from its definition and records: the same records make the same board, wherever and whenever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from lpa3bench.boards.board import Board, Cell, Column, Row
from lpa3bench.boards.claims import rank, reproduction, stable_number, with_comparisons
from lpa3bench.boards.definition import Definition
from lpa3bench.boards.measures import MEASURES, measured_value
from lpa3bench.boards.notes import notes
from lpa3bench.boards.placing import Place, by_cell
from lpa3bench.records import Record
from lpa3bench.records.searches import Searched
from lpa3bench.stats.curves import column_of, mean_curve
from lpa3bench.stats.means import summarise
from lpa3bench.stats.parity import surroundings_that_differ

DETAILS = ("seed", "metrics", "per_class", "labels", "protocol", "cost", "config", "provenance", "flags")
"""Parts of a record that a cell's page shows."""


def build_board(definition: Definition, records: Iterable[Record], searches: Mapping[str, Searched]) -> Board:
    """The board of these records.

    Args:
        records: of results; their order does not matter.
        searches: behind runs whose settings were searched for, by the run's name, as `search.find` tells.

    Raises:
        DataError: a record has no place, is no result, or cannot be pooled with another of its cell.
    """
    found = by_cell(definition, records)
    ledger = _label_flags(definition, found)
    cells = {}
    for row, column in definition.planned():
        place = (row.key, column.key)
        runs = found.get(place, [])
        searched = next((searches[str(run)] for run in runs if str(run) in searches), None)
        cells[place] = _cell(definition, row, column, runs, ledger.get(place, ()), searched)
    cells = with_comparisons(definition, cells, found)
    all_records = [record for runs in found.values() for record in runs]
    keys = {definition.metric, *definition.also}.union(*(cell.other_scores for cell in cells.values()))
    return Board(
        key=definition.key,
        title=definition.title,
        text=definition.text,
        metric=definition.metric,
        metric_text=MEASURES[definition.metric].text,
        protocol=definition.protocol,
        rows=definition.rows,
        columns=definition.columns,
        cells=tuple(cells.values()),
        ranking=rank(definition, cells),
        notes=notes(definition, [*cells.values()], labels_agree=not ledger),
        commands=definition.commands or (f"lpa3bench leaderboard build {definition.key}",),
        records={record.file_name: detail(record) for record in sorted(all_records, key=_file_name)},
        results=f"../{definition.records_of}/results" if definition.records_of else "results",
        measures={key: measure for key, measure in MEASURES.items() if key in keys},
        also=definition.also,
    )


def detail(record: Record) -> dict[str, Any]:
    """What a cell's page shows of a record: `DETAILS`, and how often it was taken up again."""
    return {**{name: record.data[name] for name in DETAILS}, "resumed": len(record.data["resumed_from"])}


def _file_name(record: Record) -> str:
    return record.file_name


def _cell(
    definition: Definition,
    row: Row,
    column: Column,
    runs: Sequence[Record],
    label_flags: Sequence[str],
    searched: Searched | None,
) -> Cell:
    published = definition.published.get((row.key, column.key))
    if not runs:
        return Cell(row=row.key, column=column.key, published=published)
    scores = tuple(_values(runs, definition.metric))
    of = summarise(scores)
    others = {name: summarise(_values(runs, name)) for name in _other_measures(definition, runs)}
    return Cell(
        row=row.key,
        column=column.key,
        n=len(runs),
        mean=of.mean,
        std=of.std,
        low=stable_number(of.low),
        high=stable_number(of.high),
        seeds=tuple(run.seed for run in runs),
        scores=scores,
        other_scores={name: other.mean for name, other in others.items()},
        other_stds={name: other.std for name, other in others.items()},
        seconds=fmean(run.seconds for run in runs),
        passes=fmean(run.passes for run in runs),
        trials=searched.trials if searched else None,
        published=published,
        reproduction=reproduction(published, runs, definition.metric),
        curve=mean_curve(runs, column_of(definition.metric)),
        records=tuple(run.file_name for run in runs),
        flags=(
            *([searched.text] if searched else []),
            *_undefined(definition, runs),
            *_flags(runs),
            *label_flags,
        ),
        identity=runs[0].identity,
    )


def _other_measures(definition: Definition, runs: Sequence[Record]) -> list[str]:
    known = {name for run in runs for name in run.data["metrics"]}
    return [
        name
        for name, measure in MEASURES.items()
        if name != definition.metric and (name in known or name in definition.also or measure.unit != "%")
    ]


def _values(runs: Sequence[Record], name: str) -> list[float]:
    """Of all runs; none where one of them has no such number."""
    found = [number for run in runs if (number := measured_value(run, name)) is not None]
    return found if len(found) == len(runs) else []


# -------------------------------------------------------------------------------------------------- flags
def _undefined(definition: Definition, runs: Sequence[Record]) -> list[str]:
    missing = sum(measured_value(run, definition.metric) is None for run in runs)
    return [f"{definition.metric} is undefined in {missing} of {len(runs)} runs"] if missing else []


def _flags(runs: Sequence[Record]) -> list[str]:
    """Those of the records, each once, and in what their surroundings differ."""
    counted = Counter(flag for run in runs for flag in run.data["flags"])
    flags = [flag if n == len(runs) else f"{n} of {len(runs)} runs: {flag}" for flag, n in counted.items()]
    changes = Counter(change for run in runs[1:] for change in surroundings_that_differ(runs[0], run))
    return [*flags, *(f"{n} of {len(runs)} runs had another {change}" for change, n in changes.items())]


def _label_flags(definition: Definition, found: Mapping[Place, Sequence[Record]]) -> dict[Place, list[str]]:
    """Which cells were trained on other labels than another row of their column, with the same seed.

    Labels of one kind are drawn from the seed alone, so that methods can be paired.
    """
    flags: dict[Place, list[str]] = {}
    first: dict[tuple[str, int, str], tuple[str, str]] = {}
    for row, column in definition.planned():
        for record in found.get((row.key, column.key), ()):
            kind = str(record.data["labels"].get("kind"))
            key = (column.key, record.seed, kind)
            known_hash, known_row = first.setdefault(key, (record.label_hash, row.name))
            if known_hash != record.label_hash:
                flags.setdefault((row.key, column.key), []).append(
                    f"seed {record.seed}: other labels ({record.label_hash[:8]}) than {known_row}'s "
                    f"({known_hash[:8]}), so the two are no pair"
                )
    return flags
