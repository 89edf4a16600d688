"""A board's table of one measure, made of its cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from lpa3bench.boards.board import Board, Cell, Column, Comparison, Measure, Published, Row
from lpa3bench.report.numbers import format_difference, format_p, format_value
from lpa3bench.report.table import (
    UNMEASURED,
    Against,
    ClaimedResult,
    MeasuredResult,
    ResultCell,
    ResultColumn,
    ResultRow,
    ResultTable,
)
from lpa3bench.stats.equalcost import EQUAL
from lpa3bench.stats.paired import ALPHA

OTHER_QUANTITY = {
    "unknown": "The source does not tell which epoch's number is claimed.",
    "none": "The claim is another quantity than any of the board's, and cannot be compared.",
}
LONGEST_NOTE = 32
"""A longer note to a row or column stands below the table."""


def result_tables(board: Board) -> list[ResultTable]:
    """The table of the board's measure, then those of measures shown besides in which there is a number."""
    besides = [result_table(board, key) for key in board.also if key != board.metric]
    return [result_table(board, board.metric), *(table for table in besides if not table.empty)]


def result_table(board: Board, key: str) -> ResultTable:
    """The table of the measure that is called so."""
    of = board_measure(board, key)
    cells = {(cell.row, cell.column): cell for cell in board.cells}
    columns = tuple(_column(column, _of_column(cells, column), board, of) for column in board.columns)
    best = {
        column.key: (_best_claim(its, board, of), _best_mean(its, board, of))
        for column in board.columns
        for its in [_of_column(cells, column)]
    }
    rows = [_row(board, row, cells, of, best) for row in board.rows]
    return ResultTable(
        measure=of,
        main=key == board.metric,
        columns=columns,
        groups=tuple((name, tuple(under)) for name, under in groupby(rows, key=lambda row: row.row.group)),
    )


def board_measure(board: Board, key: str) -> Measure:
    """What the board says of a measure; one that it does not know is taken for a share."""
    return board.measures.get(key) or Measure(key=key, name=key, text=board.metric_text, unit="%")


# ------------------------------------------------------------------------------------------- rows and columns
def _of_column(cells: Mapping[tuple[str, str], Cell], column: Column) -> list[Cell]:
    return [cell for (_, key), cell in cells.items() if key == column.key]


def _column(column: Column, cells: Sequence[Cell], board: Board, of: Measure) -> ResultColumn:
    note, remark = _placed(column.note) if of.key == board.metric else ("", "")
    return ResultColumn(
        column=column,
        claims=any(_claim(cell, board, of) for cell in cells),
        note=note,
        remark=remark,
        measured=sum(_mean(cell, board, of) is not None for cell in cells),
        planned=len(cells),
    )


def _row(
    board: Board,
    row: Row,
    cells: Mapping[tuple[str, str], Cell],
    of: Measure,
    best: Mapping[str, tuple[float | None, float | None]],
) -> ResultRow:
    baselines = {cell.column: cell for cell in cells.values() if cell.row == row.baseline}
    own = [
        _cell(cell, baselines.get(column.key), board, of, *best[column.key])
        if (cell := cells.get((row.key, column.key)))
        else None
        for column in board.columns
    ]
    remarks = [cell.claimed.remark for cell in own if cell and cell.claimed]
    shared = remarks[0] if len(remarks) > 1 and len({*remarks}) == 1 else ""
    if shared:
        own = [cell and _without_remark(cell) for cell in own]
    note, remark = _placed(row.note) if of.key == board.metric else ("", "")
    return ResultRow(
        row=row,
        baseline=next((other for other in board.rows if other.key == row.baseline), None),
        note=note,
        remarks=tuple(text for text in (remark, shared) if text),
        cells=tuple(own),
    )


def _without_remark(cell: ResultCell) -> ResultCell:
    return replace(cell, claimed=cell.claimed and replace(cell.claimed, remark=""))


def _placed(note: str) -> tuple[str, str]:
    """A note that is short, and a remark that is not; one of them is empty."""
    return (note, "") if len(note) <= LONGEST_NOTE else ("", note)


# ------------------------------------------------------------------------------------------------------ cells
def _cell(
    cell: Cell,
    baseline: Cell | None,
    board: Board,
    of: Measure,
    best_claim: float | None,
    best_mean: float | None,
) -> ResultCell:
    main = of.key == board.metric
    measured = _measured(cell, baseline, board, of, best_mean)
    return ResultCell(
        cell=cell,
        claimed=_claimed(_claim(cell, board, of), board, of, best_claim),
        measured=measured,
        missing="" if measured else _reason(cell),
        against=against(cell.comparison, of) if main and cell.comparison else None,
        at_equal_cost=against(cell.at_equal_cost, of) if main and cell.at_equal_cost else None,
        reproduction=cell.reproduction if main else None,
    )


def _claim(cell: Cell, board: Board, of: Measure) -> Published | None:
    """What is claimed of the cell: in the main table all, in others what is claimed of their measure."""
    claim = cell.published
    return claim if claim and of.key in (board.metric, claim.metric) else None


def _mean(cell: Cell, board: Board, of: Measure) -> float | None:
    return cell.mean if of.key == board.metric else cell.other_scores.get(of.key)


def _claimed(claim: Published | None, board: Board, of: Measure, best: float | None) -> ClaimedResult | None:
    if claim is None:
        return None
    of_another = "" if claim.metric == of.key else _of_another(claim.metric, board)
    remark = f"{of_another} {claim.note}".strip()
    return ClaimedResult(claim, of_another, remark, best=claim.mean == best)


def _of_another(metric: str, board: Board) -> str:
    name = board.measures[metric].name if metric in board.measures else metric
    return OTHER_QUANTITY.get(metric, f"The claim is of another measure: {name}.")


def _measured(
    cell: Cell, baseline: Cell | None, board: Board, of: Measure, best: float | None
) -> MeasuredResult | None:
    mean = _mean(cell, board, of)
    if mean is None:
        return None
    main = of.key == board.metric
    std = cell.std if main else cell.other_stds.get(of.key)
    theirs = _mean(baseline, board, of) if baseline and of.is_cost else None
    return MeasuredResult(
        value=mean,
        mean=format_value(mean, of),
        std="" if std is None else format_value(std, of),
        n=cell.n,
        trials=cell.trials if main else None,
        ratio=f"{mean / theirs:.2f}" if theirs else "",
        best=mean == best,
    )


def against(comparison: Comparison, of: Measure) -> Against:
    """A comparison as a reader sees it."""
    ends = [format_difference(end, of) for end in (comparison.low, comparison.high) if end is not None]
    return Against(
        comparison=comparison,
        difference=format_difference(comparison.difference, of),
        interval=f"[{', '.join(ends)}]" if ends else "",
        p=_p(comparison),
        ratio=unequal_cost(comparison),
    )


def _p(comparison: Comparison) -> str:
    """The corrected p; before it the one that goes with the interval, where that leaves zero out and the
    correction takes it back."""
    if comparison.verdict == "not testable":
        return f"smallest p {format_p(comparison.smallest_p)}"
    alone, corrected = comparison.p, comparison.p_holm
    if alone is not None and corrected is not None and alone <= ALPHA < corrected:
        return f"p {format_p(alone)}, corrected {format_p(corrected)}"
    return f"p {format_p(corrected)}"


def unequal_cost(comparison: Comparison) -> str:
    """By what the method's passes are more than those of its equal-cost arm, `1.10`; empty where they are
    equal, and of other comparisons."""
    ratio = comparison.passes_ratio
    if comparison.kind != "equal cost" or ratio is None or abs(ratio - 1) <= EQUAL:
        return ""
    return f"{ratio:.2f}"


def _reason(cell: Cell) -> str:
    """Why nothing measured stands there."""
    said = "this measure is undefined for these runs" if cell.n else UNMEASURED
    return "; ".join([said, *cell.flags])


# ------------------------------------------------------------------------------------------------------- best
def _best_claim(cells: Sequence[Cell], board: Board, of: Measure) -> float | None:
    """Of a column; None where claims are of different measures, or are none of a record's."""
    claims = [claim for cell in cells if (claim := _claim(cell, board, of)) and claim.metric != "none"]
    return _best((claim.mean for claim in claims), of) if len({c.metric for c in claims}) == 1 else None


def _best_mean(cells: Sequence[Cell], board: Board, of: Measure) -> float | None:
    return _best((mean for cell in cells if (mean := _mean(cell, board, of)) is not None), of)


def _best(numbers: Iterable[float], of: Measure) -> float | None:
    """None where there are not two to compare."""
    known = [*numbers]
    if len(known) < 2:
        return None
    return max(known) if of.higher_is_better else min(known)
