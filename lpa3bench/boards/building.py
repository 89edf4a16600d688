"""A board from its definition and records: the same records make the same board, wherever and whenever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import msgspec

from lpa3bench.boards.board import Board, Cell, Column, Replications, Row
from lpa3bench.boards.cell_commands import command_of, planned_run
from lpa3bench.boards.claims import rank, reproduction, stable_number
from lpa3bench.boards.definition import NOT_MEASURED, Definition
from lpa3bench.boards.facets import facets
from lpa3bench.boards.fixed_images import fixed_images
from lpa3bench.boards.measures import COSTS, is_cost, measure_of, measured_value, metric_of, score_keys
from lpa3bench.boards.notes import notes
from lpa3bench.boards.paired_cells import with_comparisons
from lpa3bench.boards.placing import Place, by_cell
from lpa3bench.records import Record
from lpa3bench.records.searches import Searched
from lpa3bench.stats.curves import mean_curve
from lpa3bench.stats.means import summarise
from lpa3bench.stats.parity import surroundings_that_decide, surroundings_that_differ

DETAILS = ("labels", "protocol", "cost", "config", "provenance")
"""Parts of a record that a cell's page shows as they are."""


def build_board(definition: Definition, records: Iterable[Record], searches: Mapping[str, Searched]) -> Board:
    """The board of these records.

    Args:
        records: of results; their order does not matter.
        searches: behind runs whose settings were searched for, by the run's name, as `search.find` tells.

    Raises:
        DataError: a record has no place, is no result, or cannot be pooled with another of its cell.
    """
    placed = by_cell(definition, records)
    found = placed.runs
    label_flags = _label_flags(definition, found)
    cells = {}
    for row, column in definition.planned():
        place = (row.key, column.key)
        runs = found.get(place, [])
        searched = next((searches[str(run)] for run in runs if str(run) in searches), None)
        cells[place] = replace(
            _cell(definition, row, column, runs, label_flags.get(place, ()), searched),
            replications=_agreement(definition, runs, placed.replications.get(place, ())),
        )
    all_records = [record for runs in found.values() for record in runs]
    measure = measure_of(definition.metric, all_records)
    cells = with_comparisons(definition, measure, cells, found)
    claims = {claim.metric for claim in definition.published.values()} - {*NOT_MEASURED}
    keys = dict.fromkeys((definition.metric, *definition.also, *sorted(claims)))
    for cell in cells.values():
        keys |= dict.fromkeys(cell.other_scores)
    measures = {key: measure_of(key, all_records) for key in keys}
    return Board(
        key=definition.key,
        title=definition.title,
        text=definition.text,
        metric=definition.metric,
        metric_text=measure.text,
        protocol=definition.protocol,
        rows=definition.rows,
        columns=definition.columns,
        cells=tuple(cells.values()),
        ranking=rank(definition, measure, cells),
        notes=(
            *notes(definition, measures, [*cells.values()], labels_agree=not label_flags),
            *fixed_images(found, [*cells.values()]),
        ),
        commands=definition.commands or (f"lpa3bench leaderboard build {definition.key}",),
        records={record.file_name: detail(record) for record in sorted(all_records, key=_file_name)},
        results=f"../{definition.records_of}/results" if definition.records_of else "results",
        measures=measures,
        also=definition.also,
        questions=definition.questions,
        equal_cost=definition.equal_cost,
    )


def detail(record: Record) -> dict[str, Any]:
    """What a cell's page shows of a record, as plain values."""
    data = record.data
    return {
        "seed": record.seed,
        "metrics": {key: record.score(key) for key in score_keys([record])},
        "per_class": [*data.per_class.shares],
        "classes": [*data.per_class.names],
        "data_sha256": record.data_hash,
        **{name: _plain(getattr(data, name)) for name in DETAILS},
        "numerics": record.numerics,
        "plugins": dict(data.identity.plugins),
        "flags": [*data.flags],
        "resumed": len(data.resumed_from),
    }


def _plain(part: msgspec.Struct | dict[str, Any]) -> Any:
    return part if isinstance(part, dict) else msgspec.to_builtins(part)  # runs may share the same dict


def _file_name(record: Record) -> str:
    return record.file_name


def _cell(
    definition: Definition,
    row: Row,
    column: Column,
    runs: Sequence[Record],
    other_labels: Sequence[str],
    searched: Searched | None,
) -> Cell:
    published = definition.published.get((row.key, column.key))
    if not runs:
        planned = planned_run(definition, row, column)
        return Cell(
            row=row.key,
            column=column.key,
            published=published,
            facets=facets(definition, row, column, ()),
            command=planned.command,
            conditions=planned.conditions,
            cost_text=planned.cost,
        )
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
        curve=mean_curve(
            runs, runs[0].data.select if is_cost(definition.metric) else metric_of(definition.metric)
        ),
        records=tuple(run.file_name for run in runs),
        flags=(
            *([searched.text] if searched else []),
            *_undefined(definition, runs),
            *_flags(runs),
            *other_labels,
        ),
        identity=runs[0].identity,
        facets=facets(definition, row, column, runs),
        command=command_of(runs),
    )


def _agreement(
    definition: Definition, runs: Sequence[Record], again: Sequence[Record]
) -> Replications | None:
    """How the replications agree with the runs that they repeat, by the board's measure."""
    by_seed = {run.seed: run for run in runs}
    pairs = [(by_seed[record.seed], record) for record in again]
    values = [
        (measured_value(ours, definition.metric), measured_value(theirs, definition.metric))
        for ours, theirs in pairs
    ]
    differences = [theirs - ours for ours, theirs in values if ours is not None and theirs is not None]
    if not differences:
        return None
    told = (line for ours, theirs in pairs for line in surroundings_that_decide(ours, theirs))
    return Replications(
        n=len(differences),
        mean=fmean(differences),
        largest=max(map(abs, differences)),
        surroundings=tuple(dict.fromkeys(told)),
    )


def _other_measures(definition: Definition, runs: Sequence[Record]) -> list[str]:
    known = (*score_keys(runs), *definition.also, *COSTS)
    return [name for name in dict.fromkeys(known) if name != definition.metric]


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
    counted = Counter(flag for run in runs for flag in run.data.flags)
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
            kind = str(record.data.labels.get("kind"))
            key = (column.key, record.seed, kind)
            known_hash, known_row = first.setdefault(key, (record.label_hash, row.name))
            if known_hash != record.label_hash:
                flags.setdefault((row.key, column.key), []).append(
                    f"seed {record.seed}: other labels ({record.label_hash[:8]}) than {known_row}'s "
                    f"({known_hash[:8]}), so the two are no pair"
                )
    return flags
