"""What is known of a cell's runs, told once where they agree and by seeds where they differ."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lpa3bench.boards.board import Board, Cell, Comparison, Measure
from lpa3bench.records.summary import LAST
from lpa3bench.report.html.cell_charts import ClassBar, class_bars
from lpa3bench.report.numbers import (
    format_count,
    format_difference,
    format_seeds,
    format_value,
    unit_of_difference,
)

SECTIONS = {"config": "Config", "provenance": "Environment", "labels": "Labels"}
"""Headings of a record's parts; what is none of these is called "Record"."""
ELSEWHERE = ("seed", "metrics", "per_class", "classes")
"""Parts that the page shows in another place, or that nobody reads."""

LONGEST_LIST = 20
"""What is longer, and every matrix, would make the page large; the record has it."""


@dataclass(frozen=True)
class Section:
    """A part of the records, as names and values."""

    title: str
    shared: tuple[tuple[str, str], ...]
    """What all runs of the cell have in common."""
    differing: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    """Names, each with values and the seeds that have them; of numbers and times the ends, of no seed."""


@dataclass(frozen=True)
class RunLine:
    """A run in the list of a cell's runs."""

    seed: int
    score: float | None
    metrics: tuple[float | None, ...]
    """In the order of `CellDetails.metrics`."""
    file: str


@dataclass(frozen=True)
class CellDetails:
    """All that a cell's page shows of its records."""

    metrics: tuple[str, ...]
    runs: tuple[RunLine, ...]
    prefix: str
    """What all their files begin with; a run's own part of its name follows."""
    bars: tuple[ClassBar, ...]
    classes: int
    """How many there are; `bars` need not be of all."""
    sections: tuple[Section, ...]


def cell_details(board: Board, cell: Cell) -> CellDetails:
    """The records of a cell, compact."""
    known = [(file, board.records[file]) for file in cell.records if file in board.records]
    names = {name: None for _, record in known for name in record.get("metrics", {})}
    metrics = tuple(name for name in names if _told_of_a_run(board, name))
    scores = dict(zip(cell.seeds, cell.scores, strict=False))
    runs = tuple(
        RunLine(
            record["seed"],
            scores.get(record["seed"]),
            tuple(record.get("metrics", {}).get(name) for name in metrics),
            file,
        )
        for file, record in known
    )
    records = [record for _, record in known]
    classes, shares = _classes(records), _per_class(records)
    baseline = board.cell(cell.comparison.baseline, cell.column) if cell.comparison else None
    return CellDetails(
        metrics,
        runs,
        _prefix([run.file for run in runs]),
        tuple(class_bars(classes, shares, _per_class(_records(board, baseline)) if baseline else ())),
        len(shares),
        _sections([run.seed for run in runs], records),
    )


def told_of_a_cell(board: Board, name: str) -> bool:
    """Whether a cell's details tell a measure: what they tell of each run, costs, and all other metrics by
    the board's rule.

    Every metric by every rule would be half of a large page; the table has them by choice, and board.json for
    each run.
    """
    rule = board.metric.rpartition(".")[2] if "." in board.metric else LAST
    return "." not in name or _told_of_a_run(board, name) or name.endswith(f".{rule}")


def _told_of_a_run(board: Board, name: str) -> bool:
    """The board's own metric by every rule, and what `board.toml` asks for."""
    return name in board.also or name.rpartition(".")[0] == board.metric.rpartition(".")[0]


def _records(board: Board, cell: Cell) -> list[Mapping[str, Any]]:
    return [board.records[file] for file in cell.records if file in board.records]


def verdict_sentence(comparison: Comparison, other: str, measure: Measure) -> str:
    """What a comparison amounts to, in words, with what it rests on.

    Args:
        other: the name of the row that is compared with.
    """
    difference, unit = comparison.difference, unit_of_difference(measure)
    size = format_value(None if difference is None else abs(difference), measure)
    signed = f"{format_difference(difference, measure)}{unit}"
    opening = {
        "better": f"Better than {other} by {size}{unit}",
        "worse": f"Worse than {other} by {size}{unit}",
        "no difference shown": f"No difference from {other} shown ({signed})",
        "not testable": f"Not testable against {other} ({signed})",
    }[comparison.verdict]
    reason = comparison.why.removeprefix(f"{comparison.verdict}: ").replace("Holm's", "Holm’s")
    return f"{opening}: {reason}." if reason else f"{opening}."


def neighbours_forecast(board: Board, cell: Cell) -> str:
    """What a run of an empty cell takes, by the passes that were counted for others of its row and column."""
    row = next(row for row in board.rows if row.key == cell.row)
    base = board.cell(row.baseline, cell.column) if row.baseline else None
    ratios = [
        other.passes / its.passes
        for other in board.cells
        if other.row == cell.row and other.passes and row.baseline
        if (its := board.cell(row.baseline, other.column)) and its.passes
    ]
    if base and base.passes and ratios:
        low, high = (format_count(ratio * base.passes) for ratio in (min(ratios), max(ratios)))
        span = low if low == high else f"{low} to {high}"
        return f"{span} image passes, by what the method took of its baseline’s in other columns."
    if known := [other.passes for other in board.cells if other.column == cell.column and other.passes]:
        low, high = format_count(min(known)), format_count(max(known))
        span = low if low == high else f"{low} to {high}"
        return f"Other methods took {span} image passes in this column; of this one nothing is counted yet."
    return ""


def seeds_to_run(board: Board, cell: Cell) -> tuple[int, ...]:
    """The baseline's in this column, else those of any cell there, else of any; (): nothing is measured."""
    row = next(row for row in board.rows if row.key == cell.row)
    base = board.cell(row.baseline, cell.column) if row.baseline else None
    near = [other for other in board.cells if other.column == cell.column]
    return next((one.seeds for one in (base, *near, *board.cells) if one and one.seeds), ())


def _prefix(files: Sequence[str]) -> str:
    """What all names begin with, up to a "-"; empty for a single one."""
    if len(files) < 2:
        return ""
    first, last = min(files), max(files)  # what these two share, all between them do
    letters = enumerate(zip(first, last, strict=False))
    alike = next((place for place, (one, other) in letters if one != other), len(first))
    return first[:alike].rpartition("-")[0]


def _per_class(records: Sequence[Mapping[str, Any]]) -> tuple[float | None, ...]:
    """Means over the runs; None where a class has no image."""
    shares = zip(*(record.get("per_class", ()) for record in records), strict=False)
    return tuple(None if None in of_class else fmean(of_class) for of_class in shares)


def _classes(records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    named: Sequence[str] = next((record["classes"] for record in records if record.get("classes")), ())
    most = max((len(record.get("per_class", ())) for record in records), default=0)
    return tuple(named or map(str, range(most)))


def _sections(seeds: Sequence[int], records: Sequence[Mapping[str, Any]]) -> tuple[Section, ...]:
    titles = ("Labels", "Config", "Environment", "Record")
    parts: dict[str, list[dict[str, Any]]] = {title: [{} for _ in records] for title in titles}
    known: dict[tuple[int, str], dict[str, Any]] = {}  # by the part itself: runs share most of theirs
    for place, record in enumerate(records):
        for name, part in record.items():
            if name in ELSEWHERE:
                continue
            title = SECTIONS.get(name, "Record")
            key = (id(part), name)
            if key not in known:
                known[key] = dict(_leaves(part, "" if name in SECTIONS else name))
            parts[title][place].update(known[key])
    return tuple(_section(title, seeds, parts[title]) for title in titles if any(parts[title]))


def _section(title: str, seeds: Sequence[int], parts: Sequence[Mapping[str, Any]]) -> Section:
    shared, differing = [], []
    for name in {name: None for part in parts for name in part}:
        values = [part.get(name, "absent") for part in parts]
        texts = [_text(name, value) for value in values]
        if len({*texts}) == 1:
            shared.append((name, texts[0]))
        else:
            differing.append((name, _told(seeds, values, texts)))
    return Section(title, tuple(shared), tuple(differing))


def _told(seeds: Sequence[int], values: Sequence[Any], texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Values that differ, short: each run's costs and hashes in full would be half of a large page."""
    if all(type(value) in (int, float) for value in values) or all(map(_TIME.match, texts)):
        low, high = (texts[values.index(end(values))] for end in (min, max))
        return (("", f"{low} to {high}"),)
    having: dict[str, list[int]] = {}
    for seed, text in zip(seeds, texts, strict=True):
        having.setdefault(_HASH.sub(r"\1…", text), []).append(seed)
    return tuple((format_seeds(of), text) for text, of in having.items())


_HASH = re.compile("^([0-9a-f]{12})[0-9a-f]{4,}$")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
_PLAIN = {str, int, float, bool, type(None)}


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Names and values of what is nested: `{"a": {"b": 1}}` is `a.b` with 1."""
    if type(value) not in _PLAIN and isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _text(name: str, value: Any) -> str:
    """A value on one line; a command as a shell takes it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence):
        if not value:
            return "none"
        if name.endswith("command"):
            return shlex.join(map(str, value))
        if isinstance(value[0], Sequence) and not isinstance(value[0], str):
            return f"{len(value)} × {len(value[0])} numbers, in the record"
        if len(value) > LONGEST_LIST:
            return f"{len(value)} values, in the record"
        return "; ".join(_text("", part) for part in value)
    return str(value)
