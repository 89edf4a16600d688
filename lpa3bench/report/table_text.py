"""Tables as text, for Markdown and LaTeX alike: claims above what is measured, signs for verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from lpa3bench.boards.board import Board, Comparison, Measure, Question, Replications
from lpa3bench.report.numbers import IMAGES, MISSING, format_difference, format_value, unit_of_difference
from lpa3bench.report.table import Against, ClaimedResult, ResultCell, ResultRow, ResultTable, column_title
from lpa3bench.report.table_building import against
from lpa3bench.runtime.counting import counted

VERDICT_SIGNS = {"better": "▲", "worse": "▼", "no difference shown": "○", "not testable": "?"}
SIGNS_TOLD = (
    "▲ better, ▼ worse, ○ no difference shown, ? not testable: it could not come down to 0.05 beside the "
    "other comparisons, whatever the runs say."
)


@dataclass(frozen=True)
class TextHead:
    """What stands above a column."""

    name: str
    task: str
    """Columns of one stay together: the column's group, else its name up to the first comma."""
    of_all: str
    """`(n 12)`: what most of its cells share and do not repeat; "" where nothing is measured."""


@dataclass(frozen=True)
class TextCell:
    """What stands in a place; none of its lines is broken."""

    number: str
    """`98.31 ± 0.42`, `▲ +1.91`, or `MISSING`."""
    more: str = ""
    """What follows it, if there is room: `(n 3)`, an interval."""
    below: tuple[str, ...] = ()
    """Lines under it: `p 0.0029`."""
    best: bool = False

    @property
    def widest(self) -> str:
        """The longest of its lines."""
        return max((f"{self.number} {self.more}".strip(), *self.below), key=len)


@dataclass(frozen=True)
class TextLine:
    """A line of a table: a row's name, who says so, and a cell for each column."""

    group: str
    name: str
    origin: str
    """"claimed" or "measured"; "" in a table without published numbers."""
    cells: tuple[TextCell | None, ...]
    """None where nothing is planned."""


@dataclass(frozen=True)
class TextTable:
    """A table as Markdown and LaTeX write it."""

    heads: tuple[TextHead, ...]
    lines: tuple[TextLine, ...]


def result_text(table: ResultTable) -> TextTable:
    """Row by row, a published one above the measured one."""
    signs = table.signs
    shared = _shared(table, lambda cell: cell.measured.n if cell.measured else None)
    lines = []
    for group, rows in table.groups:
        for row in rows:
            name = row.row.name
            if row.claimed:
                claims = _texts(row, shared, lambda cell, n: claimed_text(cell.claimed, signs))
                lines.append(TextLine(group, name, "claimed", claims))
            if row.measured or not row.claimed:
                origin = "measured" if table.claims else ""
                lines.append(TextLine(group, name, origin, _texts(row, shared, measured_text)))
    return TextTable(_heads(table, shared), tuple(lines))


def comparison_text_table(table: ResultTable) -> TextTable | None:
    """The rows against their baselines; None where nothing is compared."""
    baselines = {row.baseline.key for row in table.rows if row.baseline}
    return _compared(
        table,
        lambda row: (
            f"{row.row.name} − {row.baseline.name}" if row.baseline and len(baselines) > 1 else row.row.name
        ),
        lambda cell: cell.against,
    )


def equal_cost_text_table(table: ResultTable) -> TextTable | None:
    """The rows against the task alone at their cost; None where nothing is compared with it."""
    return _compared(table, lambda row: row.row.name, lambda cell: cell.at_equal_cost)


def _compared(
    table: ResultTable, name: Callable[[ResultRow], str], told: Callable[[ResultCell], Against | None]
) -> TextTable | None:
    shared = _shared(table, lambda cell: found.comparison.n if (found := told(cell)) else None)
    lines = []
    for group, rows in table.groups:
        for row in rows:
            if any(told(cell) is not None for cell in row.known):
                texts = _texts(row, shared, lambda cell, n: against_text(told(cell), n))
                lines.append(TextLine(group, name(row), "", texts))
    if not lines:
        return None
    used = [at for at in range(len(table.columns)) if any(_is_told(line.cells[at]) for line in lines)]
    heads = _heads(table, shared)
    return TextTable(
        tuple(heads[at] for at in used),
        tuple(replace(line, cells=tuple(line.cells[at] for at in used)) for line in lines),
    )


def _texts(
    row: ResultRow, shared: Sequence[int | None], text: Callable[[ResultCell, int | None], TextCell]
) -> tuple[TextCell | None, ...]:
    """Of each planned cell; `shared` is what its column has for n."""
    return tuple(None if cell is None else text(cell, n) for cell, n in zip(row.cells, shared, strict=True))


def _is_told(cell: TextCell | None) -> bool:
    return cell is not None and cell.number != MISSING


def _shared(table: ResultTable, n: Callable[[ResultCell], int | None]) -> list[int | None]:
    """How many runs or pairs most cells of each column have; None where there are none."""
    shared: list[int | None] = []
    for at in range(len(table.columns)):
        counts = Counter(
            found for row in table.rows if (cell := row.cells[at]) and (found := n(cell)) is not None
        )
        shared.append(max(counts, key=lambda count: (counts[count], count)) if counts else None)
    return shared


def _heads(table: ResultTable, shared: Sequence[int | None]) -> tuple[TextHead, ...]:
    return tuple(
        TextHead(
            column_title(of.column),
            of.column.group or of.column.name.partition(",")[0],
            "" if n is None else f"(n {n})",
        )
        for of, n in zip(table.columns, shared, strict=True)
    )


def measured_text(cell: ResultCell, shared: int | None) -> TextCell:
    """Mean and deviation; n where it is not the column's; trials, the ratio to the baseline of costs, and
    whether a claim is reproduced."""
    result = cell.measured
    below = [f"claim {cell.reproduction.verdict}"] if cell.reproduction else []
    if result is None:
        return TextCell(MISSING, f"(n {cell.cell.n})" if cell.cell.n else "", tuple(below))
    spread = f" ± {result.std}" if result.std else ""
    ratio = [f"× {result.ratio}"] if result.ratio else []
    trials = [f"best of {counted(result.trials, 'trial')}"] if result.trials is not None else []
    return TextCell(
        f"{result.mean}{spread}",
        f"(n {result.n})" if result.n != shared else "",
        (*ratio, *trials, *below),
        result.best,
    )


def claimed_text(result: ClaimedResult | None, signs: Mapping[str, str]) -> TextCell:
    """A published number as it was printed, with its n where the source tells it, and the table's sign for a
    claim of another measure."""
    if result is None:
        return TextCell(MISSING)
    runs = "" if result.claim.n is None else f"(n {result.claim.n})"
    sign = signs.get(result.of_another, "")
    return TextCell(f"{result.claim.printed}{sign}", runs, best=result.best)


def against_text(told: Against | None, shared: int | None) -> TextCell:
    """The verdict's sign, the difference with its interval, p, n where it is not the column's, and of unequal
    costs their ratio."""
    if told is None:
        return TextCell(MISSING)
    n = told.comparison.n
    more = [f"n {n}"] if n != shared else []
    more += [f"at × {told.ratio} its passes"] if told.ratio else []
    return TextCell(
        f"{VERDICT_SIGNS[told.comparison.verdict]} {told.difference}",
        told.interval,
        (*told.p.split(", "), *more),
    )


def against_sentence(told: Against) -> str:
    """A comparison in words: `+1.91 [+1.30, +2.62], better (p 0.0029, n 12)`."""
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
            told = against_sentence(against(comparison, measure))
            yield f"{titles[column]}: {names[row]} − {names[other]} {told}"


def question_text_table(board: Board, question: Question, measure: Measure) -> TextTable | None:
    """Where it is asked, line by line, against each row that it asks of; None where nothing has pairs."""
    names = {row.key: row.name for row in board.rows}
    titles = {column.key: column_title(column) for column in board.columns}
    found = {
        (column, row, other): comparison
        for column, row, other in product(question.columns, question.rows, question.against)
        if (cell := board.cell(row, column)) and (comparison := cell.against(other)) and comparison.n
    }
    if not found:
        return None
    counts = Counter(comparison.n for comparison in found.values())
    shared = max(counts, key=lambda n: (counts[n], n))
    lines = [
        TextLine(
            "",
            titles[column] if len(question.rows) == 1 else f"{titles[column]}: {names[row]}",
            "",
            tuple(
                against_text(against(found[place], measure), shared) if place in found else TextCell(MISSING)
                for place in ((column, row, other) for other in question.against)
            ),
        )
        for column, row in product(question.columns, question.rows)
        if any((column, row, other) in found for other in question.against)
    ]
    heads = tuple(TextHead(f"− {names[other]}", other, f"(n {shared})") for other in question.against)
    return TextTable(heads, tuple(lines))


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
