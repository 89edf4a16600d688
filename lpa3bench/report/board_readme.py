"""A board as Markdown: what a folder of a repository shows of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lpa3bench.boards.board import Board, Cell, Measure, Row
from lpa3bench.report.answer import answer, question_answer
from lpa3bench.report.markdown import escape_markdown, markdown_row, markdown_tables
from lpa3bench.report.numbers import (
    format_p,
    in_unit,
    in_unit_of_difference,
)
from lpa3bench.report.shared_flags import own_flags, told_of_all
from lpa3bench.report.table import column_title
from lpa3bench.report.table_building import board_measure, result_tables
from lpa3bench.report.table_text import (
    SIGNS_TOLD,
    comparison_text_table,
    equal_cost_text_table,
    harm_text,
    question_text_table,
    replication_text,
    result_text,
)
from lpa3bench.runtime.counting import counted
from lpa3bench.stats.equalcost import EQUAL


def board_readme(board: Board) -> str:
    sections = (
        _head(board),
        _questions(board),
        _tables(board),
        _ranking(board),
        _differences(board),
        _harm(board),
        _replications(board),
        _notes(board),
        _sources(board),
        _flags(board),
        _commands(board),
    )
    return "\n\n".join(block for section in sections for block in section) + "\n"


def _head(board: Board) -> Iterator[str]:
    yield f"# {escape_markdown(board.title)}"
    yield f"**{escape_markdown(answer(board))}**"
    for paragraph in re.split(r"\n\s*\n", board.text):
        if paragraph.strip():
            yield escape_markdown(paragraph)
    more = {"curves": any(cell.curve for cell in board.cells), "records": bool(board.records)}
    with_more = " and ".join(name for name, there in more.items() if there)
    yield (
        f"{board.measured} of {len(board.cells)} cells are measured, protocol version {board.protocol}. "
        f"[index.html](index.html) has the same{f' with {with_more}' if with_more else ''}; "
        "[board.csv](board.csv), [board.tex](board.tex) and [board.json](board.json) have the numbers."
    )


def _questions(board: Board) -> Iterator[str]:
    if not board.questions:
        return
    yield "## What is asked"
    measure = board_measure(board, board.metric)
    for question in board.questions:
        kind = "Primary" if question.primary else "Secondary"
        answers = question_text_table(board, question, measure)
        yield f"**{kind}: {escape_markdown(question.text)}**"
        yield escape_markdown(question_answer(board, question))
        if answers is None:
            continue
        yield f"{_some_names(board, question.rows)} minus each of these{in_unit_of_difference(measure)}:"
        yield markdown_tables(answers)
    yield SIGNS_TOLD


# ------------------------------------------------------------------------------------------------- tables
def _tables(board: Board) -> Iterator[str]:
    main, *others = result_tables(board)
    yield f"## {_titled(main.measure)}"
    yield (
        f"{escape_markdown(board.metric_text)} Mean ± sample standard deviation over n runs"
        f"{'; what is claimed stands as it was published' if main.claims else ''}"
        f"{'; the best of each column is bold.' if main.best else '.'}"
    )
    yield from (escape_markdown(line) for line in told_of_all(board))
    yield markdown_tables(result_text(main))
    if signs := main.signs:
        yield "\\\n".join(escape_markdown(f"{sign} {sentence}") for sentence, sign in signs.items())
    if compared := comparison_text_table(main):
        baselines = {row.baseline.name: None for row in main.rows if row.baseline}
        which = f"*{escape_markdown(next(iter(baselines)))}*" if len(baselines) == 1 else "the baseline"
        yield f"## Against {which}{escape_markdown(in_unit_of_difference(main.measure))}"
        yield (
            "Mean difference over n pairs of runs with one seed, in brackets every mean difference that the "
            "test does not reject (95 %, uncorrected); p after Holm's correction."
        )
        yield SIGNS_TOLD
        yield markdown_tables(compared)
    if compared := equal_cost_text_table(main):
        rows = {row.key: row.name for row in board.rows}
        yield f"## At equal cost{escape_markdown(in_unit_of_difference(main.measure))}"
        yield (
            f"The same against *{escape_markdown(rows[board.equal_cost or ''])}*, of methods that take about "
            "as many passes: do they gain more than longer training does? Where the passes differ by more "
            f"than {100 * EQUAL:.0f} %, the ratio is told."
        )
        yield markdown_tables(compared)
    for table in others:
        yield f"## Also: {_titled(table.measure)}"
        yield escape_markdown(table.measure.text)
        yield markdown_tables(result_text(table))


def _some_names(board: Board, rows: Sequence[str]) -> str:
    names = {row.key: row.name for row in board.rows}
    return escape_markdown(", ".join(names[row] for row in rows))


def _titled(measure: Measure) -> str:
    return escape_markdown(f"{measure.name[0].upper()}{measure.name[1:]}{in_unit(measure)}")


def _ranking(board: Board) -> Iterator[str]:
    ranking = board.ranking
    if ranking is None:
        return
    names = {row.key: row.name for row in board.rows}
    yield "## Ranks"
    yield (
        f"Over the {len(ranking.columns)} columns in which all of them are measured; 1 is best, ties share "
        f"their mean. {escape_markdown(ranking.test[0].upper() + ranking.test[1:])}."
    )
    rows = zip(ranking.rows, ranking.mean_ranks, strict=True)
    lines = (markdown_row([escape_markdown(names[row]), f"{rank:.2f}"]) for row, rank in rows)
    yield "\n".join(("| | mean rank |", "| --- | ---: |", *lines))
    if ranking.note:
        yield f"{escape_markdown(ranking.note[0].upper() + ranking.note[1:])}."
    told = [pair for pair in ranking.pairs if pair.verdict in ("better", "worse")]
    if told:
        yield "\n".join(
            f"- {escape_markdown(names[pair.a])} is {pair.verdict} than {escape_markdown(names[pair.b])} "
            f"(p {escape_markdown(format_p(pair.p_holm))}, n {pair.n})"
            for pair in told
        )
    elif not ranking.note:
        yield "No two of them are shown to differ."


# ------------------------------------------------------------------------------------------------ sections
def _compared_cells(board: Board) -> Iterator[tuple[Row, str, Cell]]:
    columns = {column.key: column_title(column) for column in board.columns}
    for row in board.rows:
        for key, title in columns.items():
            cell = board.cell(row.key, key)
            if cell and cell.comparison:
                yield row, title, cell


def _differences(board: Board) -> Iterator[str]:
    found = [*_compared_cells(board)]
    if not found:
        return
    yield "## What else differs from the baseline"
    lines = []
    for row, title, cell in found:
        assert cell.comparison is not None
        if cell.comparison.differs_in:
            differences = "; ".join(map(escape_markdown, cell.comparison.differs_in))
            lines.append(f"- {escape_markdown(row.name)}, {escape_markdown(title)}: {differences}")
    alone = len(found) - len(lines)
    yield f"In {alone} of {len(found)} comparisons nothing but the augmenter differs."
    if lines:
        yield "\n".join(lines)


def _harm(board: Board) -> Iterator[str]:
    lines = [
        "- " + escape_markdown(f"{row.name}, {title}: {harm_text(cell.comparison)}")
        for row, title, cell in _compared_cells(board)
        if cell.comparison and cell.comparison.classes_harmed and cell.comparison.verdict != "not testable"
    ]
    if lines:
        yield "## Classes"
        yield (
            "Mean accuracy of each class at the last epoch, against the baseline's. Of a method that changes "
            "nothing about half of the classes are worse by chance, and the worst looks worse than it is."
        )
        yield "\n".join(lines)


def _replications(board: Board) -> Iterator[str]:
    measure = board.measures[board.metric]
    titles = {column.key: column_title(column) for column in board.columns}
    names = {row.key: row.name for row in board.rows}
    lines = [
        "- "
        + escape_markdown(f"{names[cell.row]}, {titles[cell.column]}: {replication_text(again, measure)}")
        for cell in board.cells
        if (again := cell.replications)
    ]
    if lines:
        yield "## Runs repeated elsewhere"
        yield "Of seeds that the board has; its own numbers are without them."
        yield "\n".join(lines)


def _notes(board: Board) -> Iterator[str]:
    yield "## What the numbers mean"
    yield "\n".join(f"- {escape_markdown(note)}" for note in board.notes)
    rows = [(row.name, row.note) for row in board.rows]
    columns = [(column.name, column.note) for column in board.columns]
    told = [(name, note) for name, note in (*rows, *columns) if note]
    if told:
        yield "## Rows and columns"
        yield "\n".join(f"- **{escape_markdown(name)}**: {escape_markdown(note)}" for name, note in told)


def _sources(board: Board) -> Iterator[str]:
    lines: dict[str, None] = {}
    names = {row.key: row.name for row in board.rows}
    for cell in board.cells:
        if claim := cell.published:
            told = escape_markdown(f"{claim.source}; measure: {claim.metric}. {claim.note}")
            lines[f"- **{escape_markdown(names[cell.row])}**: {told}"] = None
    if lines:
        yield "## Where the published numbers are from"
        yield "\n".join(lines)


def _flags(board: Board) -> Iterator[str]:
    names = {row.key: row.name for row in board.rows}
    titles = {column.key: column_title(column) for column in board.columns}
    cells: dict[str, list[str]] = {}
    own = own_flags(board)
    for cell in board.cells:
        for flag in own[cell.row, cell.column]:
            cells.setdefault(flag, []).append(f"{names[cell.row]} ({titles[cell.column]})")
    if cells:
        yield "## Flags"
        yield "\n".join("- " + escape_markdown(f"{flag}: {_some(where)}") for flag, where in cells.items())


def _some(where: Sequence[str], shown: int = 3) -> str:
    more = len(where) - shown
    return "; ".join(where[:shown]) + (f"; and {counted(more, 'more cell')}" if more > 0 else "")


def _commands(board: Board) -> Iterator[str]:
    yield "## How to make it again"
    lines = "\n".join(" ".join(command.split()) for command in board.commands)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", lines)), default=0))
    yield f"{fence}\n{lines}\n{fence}"
