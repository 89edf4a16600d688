"""Cells of a board as text, for tables in Markdown and LaTeX alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lpa3bench.boards.board import Board, Cell, Column, Comparison, Measure, Published, Row
from lpa3bench.report.numbers import decimals_for, difference, probability, score

MISSING = "–"
CLAIMED = "claimed"
MEASURED = "measured"
MARKS = "†‡§¶"
OTHER_QUANTITY = {
    "unknown": "The source does not tell which epoch's number is claimed.",
    "none": "The claim is another quantity than any of the board's, and cannot be compared.",
}


@dataclass(frozen=True)
class Line:
    """A line of a table: a row's name, who says so, and a text for each column."""

    group: str
    name: str
    origin: str
    """`CLAIMED` or `MEASURED`; "" on a board without published numbers."""
    cells: tuple[str, ...]
    coverage: str
    """How many of the planned cells are there."""


def number(value: float | None, measure: Measure) -> str:
    """A value of that measure: a share as a percentage, a cost with three significant digits."""
    return MISSING if value is None else score(value, measure, decimals_for([value], measure))


def spread(mean: float | None, std: float | None, measure: Measure) -> str:
    """`98.31 ± 0.42`, or the mean alone where there is no deviation."""
    text = number(mean, measure)
    return text if mean is None or std is None else f"{text} ± {number(std, measure)}"


def measured(cell: Cell, measure: Measure) -> str:
    """Mean, deviation, n, and the ratio to the baseline on a board of costs."""
    if not cell.n:
        return MISSING
    ratio = f", × {cell.relative:.2f}" if cell.relative is not None else ""
    trials = f", best of {cell.trials} trials" if cell.trials is not None else ""
    return f"{spread(cell.mean, cell.std, measure)} ({cell.n}{trials}){ratio}"


def claimed(published: Published | None, measure: Measure, marks: Mapping[str, str]) -> str:
    """A published number, with its n where the source tells it, and the mark of another measure."""
    if published is None:
        return MISSING
    runs = "" if published.n is None else f" ({published.n})"
    return f"{spread(published.mean, published.std, measure)}{runs}{marks.get(published.metric, '')}"


def claim_marks(board: Board) -> dict[str, str]:
    """A mark for each measure that claims are of and the board's numbers are not."""
    claims = [cell.published.metric for cell in board.cells if cell.published]
    others = dict.fromkeys(metric for metric in claims if metric != board.metric)
    return {metric: MARKS[n % len(MARKS)] * (n // len(MARKS) + 1) for n, metric in enumerate(others)}


def claim_legend(board: Board) -> list[str]:
    """What the marks mean, a sentence each."""
    return [f"{mark} {claim_of_another(metric, board)}" for metric, mark in claim_marks(board).items()]


def claim_of_another(metric: str, board: Board) -> str:
    """What a claim of another measure than the board's must not be taken for."""
    name = board.measures[metric].name if metric in board.measures else metric
    return OTHER_QUANTITY.get(metric, f"The claim is of another measure: {name}.")


def main_table(board: Board) -> list[Line]:
    """The board's measure, row by row; a published row stands above the measured one."""
    measure = board.measures[board.metric]
    marks = claim_marks(board)
    with_claims = any(cell.published for cell in board.cells)
    lines = []
    for row in board.rows:
        cells = planned(board, row)
        if any(cell and cell.published for cell in cells):
            told = tuple("" if cell is None else claimed(cell.published, measure, marks) for cell in cells)
            known = [cell is not None and cell.published is not None for cell in cells]
            lines.append(Line(row.group, row.name, CLAIMED, told, _coverage(known, cells)))
        told = tuple("" if cell is None else _with_verdict(cell, measure) for cell in cells)
        known = [cell is not None and cell.n > 0 for cell in cells]
        origin = MEASURED if with_claims else ""
        lines.append(Line(row.group, row.name, origin, told, _coverage(known, cells)))
    return lines


def _with_verdict(cell: Cell, measure: Measure) -> str:
    text = measured(cell, measure)
    return f"{text}, {cell.reproduction.verdict}" if cell.reproduction else text


def other_table(board: Board, name: str) -> list[Line]:
    """The means of another measure, of a cost with its ratio to the baseline; empty where none is known."""
    lines = []
    for row in board.rows:
        cells = planned(board, row)
        told = tuple("" if cell is None else _other(board, row, cell, name) for cell in cells)
        known = [cell is not None and cell.other_scores.get(name) is not None for cell in cells]
        lines.append(Line(row.group, row.name, "", told, _coverage(known, cells)))
    return lines if any(name in cell.other_scores for cell in board.cells) else []


def _other(board: Board, row: Row, cell: Cell, name: str) -> str:
    measure = board.measures[name]
    mean = cell.other_scores.get(name)
    baseline = board.cell(row.baseline, cell.column) if row.baseline and measure.unit != "%" else None
    theirs = baseline.other_scores.get(name) if baseline else None
    ratio = f", × {mean / theirs:.2f}" if mean is not None and theirs else ""
    if mean is None:
        return MISSING
    return f"{spread(mean, cell.other_stds.get(name), measure)} ({cell.n}){ratio}"


def comparison_table(board: Board) -> list[Line]:
    """The rows against their baselines; empty where nothing is compared."""
    lines = []
    measure = board.measures[board.metric]
    names = {row.key: row.name for row in board.rows}
    for row in board.rows:
        cells = planned(board, row)
        if row.baseline is None or not any(cell and cell.comparison for cell in cells):
            continue
        told = tuple("" if cell is None else compared(cell.comparison, measure) for cell in cells)
        known = [cell is not None and cell.comparison is not None for cell in cells]
        name = f"{row.name} − {names[row.baseline]}"
        lines.append(Line(row.group, name, "", told, _coverage(known, cells)))
    return lines


def compared(comparison: Comparison | None, measure: Measure) -> str:
    """The difference with its interval, and what it amounts to."""
    if comparison is None:
        return MISSING
    ends = [difference(end, measure) for end in (comparison.low, comparison.high) if end is not None]
    bounds = f" [{', '.join(ends)}]" if ends else ""
    testable = comparison.verdict != "not testable"
    p = (
        f"p {probability(comparison.p_holm)}"
        if testable
        else f"smallest p {probability(comparison.smallest_p)}"
    )
    found = f"{difference(comparison.difference, measure)}{bounds}"
    return f"{found}, {comparison.verdict} ({p}, n {comparison.n})"


def harm(comparison: Comparison, measure: Measure) -> str:
    """How many classes are worse off than under the baseline, and which is most."""
    return (
        f"{comparison.classes_harmed} of {comparison.classes} classes worse, most class "
        f"{comparison.worst_class} ({difference(comparison.worst_class_difference, measure)})"
    )


def planned(board: Board, row: Row) -> list[Cell | None]:
    """The row's cells, column by column; None where none is planned."""
    return [board.cell(row.key, column.key) for column in board.columns]


def column_titles(columns: Sequence[Column]) -> list[str]:
    """Names of columns, their group before them."""
    return [f"{column.group}, {column.name}" if column.group else column.name for column in columns]


def _coverage(known: Sequence[bool], cells: Sequence[Cell | None]) -> str:
    return f"{sum(known)} of {sum(cell is not None for cell in cells)}"
