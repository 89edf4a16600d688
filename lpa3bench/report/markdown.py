"""A board as Markdown: what a folder of a repository shows of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lpa3bench.boards.board import Board, Cell, Measure, Row
from lpa3bench.report.cell_text import (
    Line,
    claim_legend,
    column_titles,
    comparison_table,
    harm,
    main_table,
    other_table,
)
from lpa3bench.report.numbers import probability

SPECIAL = re.compile(r"[\\`*_\[\]|~$]|^[-+#](?=\s|#|$)|^\d+(?=[.)]\s)")
"""What Markdown takes for its own: some signs anywhere, some at the beginning of a block."""
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def readme(board: Board) -> str:
    """The whole page."""
    sections = (
        _head(board),
        _tables(board),
        _ranking(board),
        _differences(board),
        _harm(board),
        _notes(board),
        _sources(board),
        _flags(board),
        _commands(board),
    )
    return "\n\n".join(block for section in sections for block in section) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line and in one cell of a table."""
    plain = " ".join(text.split())
    for sign, entity in ENTITIES.items():
        plain = plain.replace(sign, entity)
    return SPECIAL.sub(lambda match: f"\\{match[0]}" if not match[0].isdigit() else f"{match[0]}\\", plain)


def _head(board: Board) -> Iterator[str]:
    yield f"# {escaped(board.title)}"
    for paragraph in re.split(r"\n\s*\n", board.text):
        if paragraph.strip():
            yield escaped(paragraph)
    yield (
        f"{board.measured} of {len(board.cells)} cells are measured, protocol version {board.protocol}. "
        "[index.html](index.html) has the same with curves and records; [board.csv](board.csv), "
        "[board.tex](board.tex) and [board.json](board.json) have the numbers."
    )


# ------------------------------------------------------------------------------------------------- tables
def _tables(board: Board) -> Iterator[str]:
    measure = board.measures[board.metric]
    yield f"## {_titled(measure)}"
    claims = any(cell.published for cell in board.cells)
    yield (
        f"{escaped(board.metric_text)} Mean ± sample standard deviation (n runs)"
        f"{'; what is claimed stands as it was published.' if claims else '.'}"
    )
    yield _table(board, main_table(board))
    if marks := claim_legend(board):
        yield "\\\n".join(map(escaped, marks))
    if lines := comparison_table(board):
        yield "## Against the baseline, in percentage points"
        compared = [cell.comparison for cell in board.cells if cell.comparison]
        family = sum(comparison.p is not None for comparison in compared)
        yield (
            "Mean difference over n pairs of runs with one seed, its 95 % bootstrap interval where there are "
            "enough of them, and what it amounts to; p after Holm's correction over the board's comparisons, "
            f"{family} of them. Not testable is what stays above 0.05 after it even with the smallest p that "
            "n pairs allow."
        )
        yield _table(board, lines)
    for name in board.also:
        if lines := other_table(board, name):
            yield f"## Also: {_titled(board.measures[name])}"
            yield escaped(board.measures[name].text)
            yield _table(board, lines)


def _titled(measure: Measure) -> str:
    return f"{escaped(measure.name[0].upper() + measure.name[1:])}, in {measure.unit}"


def _table(board: Board, lines: Sequence[Line]) -> str:
    with_origin = any(line.origin for line in lines)
    titles = ["", *([""] if with_origin else []), *column_titles(board.columns), "cells"]
    rows = []
    group = ""
    for line in lines:
        if line.group != group:
            group = line.group
            rows.append(_row([f"**{escaped(group)}**" if group else "", *[""] * (len(titles) - 1)]))
        origin = [escaped(line.origin)] if with_origin else []
        rows.append(_row([escaped(line.name), *origin, *map(escaped, line.cells), line.coverage]))
    rule = "| --- " * (1 + with_origin) + "| ---: " * len(board.columns) + "| --- |"
    return "\n".join((_row([*map(escaped, titles)]), rule, *rows))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ranking(board: Board) -> Iterator[str]:
    ranking = board.ranking
    if ranking is None:
        return
    names = {row.key: row.name for row in board.rows}
    yield "## Ranks"
    yield (
        f"Over the {len(ranking.columns)} columns in which all of them are measured; 1 is best, ties share "
        f"their mean. {escaped(ranking.test[0].upper() + ranking.test[1:])}."
    )
    rows = zip(ranking.rows, ranking.mean_ranks, strict=True)
    lines = (_row([escaped(names[row]), f"{rank:.2f}"]) for row, rank in rows)
    yield "\n".join(("| | mean rank |", "| --- | ---: |", *lines))
    if ranking.note:
        yield f"{escaped(ranking.note[0].upper() + ranking.note[1:])}."
    told = [pair for pair in ranking.pairs if pair.verdict in ("better", "worse")]
    if told:
        yield "\n".join(
            f"- {escaped(names[pair.a])} is {pair.verdict} than {escaped(names[pair.b])} "
            f"(p {escaped(probability(pair.p_holm))}, n {pair.n})"
            for pair in told
        )
    elif not ranking.note:
        yield "No two of them are shown to differ."


# ------------------------------------------------------------------------------------------------ sections
def _compared_cells(board: Board) -> Iterator[tuple[Row, str, Cell]]:
    columns = dict(zip((c.key for c in board.columns), column_titles(board.columns), strict=True))
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
            differences = "; ".join(map(escaped, cell.comparison.differs_in))
            lines.append(f"- {escaped(row.name)}, {escaped(title)}: {differences}")
    alone = len(found) - len(lines)
    yield f"In {alone} of {len(found)} comparisons nothing but the augmenter differs."
    if lines:
        yield "\n".join(lines)


def _harm(board: Board) -> Iterator[str]:
    measure = board.measures[board.metric]
    lines = [
        f"- {escaped(row.name)}, {escaped(title)}: {escaped(harm(cell.comparison, measure))}"
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


def _notes(board: Board) -> Iterator[str]:
    yield "## What the numbers mean"
    yield "\n".join(f"- {escaped(note)}" for note in board.notes)
    rows = [(row.name, row.note) for row in board.rows]
    columns = [(column.name, column.note) for column in board.columns]
    told = [(name, note) for name, note in (*rows, *columns) if note]
    if told:
        yield "## Rows and columns"
        yield "\n".join(f"- **{escaped(name)}**: {escaped(note)}" for name, note in told)


def _sources(board: Board) -> Iterator[str]:
    lines: dict[str, None] = {}
    names = {row.key: row.name for row in board.rows}
    for cell in board.cells:
        if claim := cell.published:
            note = f" {escaped(claim.note)}" if claim.note else ""
            named = f"measure: {escaped(claim.metric)}."
            lines[f"- **{escaped(names[cell.row])}**: {escaped(claim.source)}; {named}{note}"] = None
    if lines:
        yield "## Where the published numbers are from"
        yield "\n".join(lines)


def _flags(board: Board) -> Iterator[str]:
    names = {row.key: row.name for row in board.rows}
    titles = dict(zip((c.key for c in board.columns), column_titles(board.columns), strict=True))
    cells: dict[str, list[str]] = {}
    for cell in board.cells:
        for flag in cell.flags:
            cells.setdefault(flag, []).append(f"{names[cell.row]} ({titles[cell.column]})")
    if cells:
        yield "## Flags"
        yield "\n".join(f"- {escaped(flag)}: {escaped(_some(where))}" for flag, where in cells.items())


def _some(where: Sequence[str], shown: int = 3) -> str:
    more = len(where) - shown
    return "; ".join(where[:shown]) + (f"; and {more} more cells" if more > 0 else "")


def _commands(board: Board) -> Iterator[str]:
    yield "## How to make it again"
    lines = "\n".join(" ".join(command.split()) for command in board.commands)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", lines)), default=0))
    yield f"{fence}\n{lines}\n{fence}"
