"""A table's rows as lines of text, for Markdown and LaTeX alike: what is claimed above what is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from lpa3bench.boards.board import Board, Comparison, Measure, Question, Replications
from lpa3bench.report.numbers import IMAGES, MISSING, format_difference, format_value, unit_of_difference
from lpa3bench.report.table import Against, ClaimedResult, ResultCell, ResultRow, ResultTable, column_title
from lpa3bench.report.table_building import against
from lpa3bench.runtime.counting import counted


@dataclass(frozen=True)
class TextLine:
    """A line of a table: a row's name, who says so, and a text for each column."""

    group: str
    name: str
    origin: str
    """"claimed" or "measured"; "" in a table without published numbers."""
    cells: tuple[str, ...]
    """`98.31 ± 0.42 (12)`, `MISSING`, or empty where nothing is planned."""
    coverage: str
    """How many of the planned cells are there."""


def result_lines(table: ResultTable) -> list[TextLine]:
    """Row by row, a published one above the measured one."""
    signs = table.signs
    lines = []
    for group, rows in table.groups:
        for row in rows:
            name = row.row.name
            if row.claimed:
                texts = _texts(row, lambda cell: claimed_text(cell.claimed, signs))
                lines.append(TextLine(group, name, "claimed", texts, f"{row.claimed} of {row.planned}"))
            origin = "measured" if table.claims else ""
            coverage = f"{row.measured} of {row.planned}"
            lines.append(TextLine(group, name, origin, _texts(row, measured_text), coverage))
    return lines


def comparison_lines(table: ResultTable) -> list[TextLine]:
    """The rows against their baselines; empty where nothing is compared."""
    return _compared(
        table,
        lambda row: f"{row.row.name} − {row.baseline.name}" if row.baseline else row.row.name,
        lambda cell: cell.against,
    )


def equal_cost_lines(table: ResultTable) -> list[TextLine]:
    """The rows against the task alone at their cost; empty where nothing is compared with it."""
    return _compared(table, lambda row: row.row.name, lambda cell: cell.at_equal_cost)


def _compared(
    table: ResultTable, name: Callable[[ResultRow], str], told: Callable[[ResultCell], Against | None]
) -> list[TextLine]:
    lines = []
    for group, rows in table.groups:
        for row in rows:
            if compared := sum(told(cell) is not None for cell in row.known):
                texts = _texts(row, lambda cell: against_text(told(cell)))
                lines.append(TextLine(group, name(row), "", texts, f"{compared} of {row.planned}"))
    return lines


def measured_text(cell: ResultCell) -> str:
    """Mean, deviation, n, the ratio to the baseline of costs, and whether a claim is reproduced."""
    result = cell.measured
    verdict = f", {cell.reproduction.verdict}" if cell.reproduction else ""
    if result is None:
        return f"{MISSING} ({cell.cell.n}){verdict}" if cell.cell.n else MISSING
    spread = f" ± {result.std}" if result.std else ""
    trials = f", best of {counted(result.trials, 'trial')}" if result.trials is not None else ""
    ratio = f", × {result.ratio}" if result.ratio else ""
    return f"{result.mean}{spread} ({result.n}{trials}){ratio}{verdict}"


def claimed_text(result: ClaimedResult | None, signs: Mapping[str, str]) -> str:
    """A published number as it was printed, with its n where the source tells it, and the table's sign for a
    claim of another measure."""
    if result is None:
        return MISSING
    runs = "" if result.claim.n is None else f" ({result.claim.n})"
    return f"{result.claim.printed}{runs}{signs.get(result.of_another, '')}"


def against_text(told: Against | None) -> str:
    """The difference with its interval, what it amounts to, and of unequal costs their ratio."""
    if told is None:
        return MISSING
    interval = f" {told.interval}" if told.interval else ""
    ratio = f"; at × {told.ratio} its passes" if told.ratio else ""
    return f"{told.difference}{interval}, {told.comparison.verdict} ({told.p}, n {told.comparison.n}{ratio})"


def question_answers(board: Board, question: Question, measure: Measure) -> Iterator[str]:
    """A sentence for each comparison that answers it and has pairs."""
    names = {row.key: row.name for row in board.rows}
    titles = {column.key: column_title(column) for column in board.columns}
    for column, row, other in product(question.columns, question.rows, question.against):
        cell = board.cell(row, column)
        comparison = cell and cell.against(other)
        if comparison and comparison.n:
            told = against_text(against(comparison, measure))
            yield f"{titles[column]}: {names[row]} − {names[other]} {told}"


def question_summary(board: Board, question: Question) -> str:
    """In how many columns which verdict was reached, by pair of rows; empty where nothing has pairs."""
    names = {row.key: row.name for row in board.rows}
    told = []
    for row, other in product(question.rows, question.against):
        cells = [board.cell(row, column) for column in question.columns]
        made = [one for cell in cells if cell and (one := cell.against(other)) and one.n]
        verdicts = Counter(one.verdict for one in made)
        if counts := ", ".join(
            f"{verdict} in {count} of {len(made)}" for verdict, count in sorted(verdicts.items())
        ):
            told.append(f"{names[row]} against {names[other]}: {counts}")
    return f"In short: {'; '.join(told)}." if told else ""


def harm_text(comparison: Comparison) -> str:
    """How many classes are worse off than under the baseline, and which is most."""
    return (
        f"{comparison.classes_harmed} of {comparison.classes} classes worse, most class "
        f"{comparison.worst_class} ({format_difference(comparison.worst_class_difference, IMAGES)})"
    )


def replication_text(again: Replications, measure: Measure) -> str:
    """How many runs repeat the cell's seeds elsewhere, how far they are from its own, and where they ran."""
    return (
        f"{counted(again.n, 'run')}, from the board's own by "
        f"{format_difference(again.mean, measure)}{unit_of_difference(measure)} on average and "
        f"{format_value(again.largest, measure)} at most ({'; '.join(again.surroundings)})"
    )


def _texts(row: ResultRow, told: Callable[[ResultCell], str]) -> tuple[str, ...]:
    return tuple("" if cell is None else told(cell) for cell in row.cells)
