"""A board as CSV in long form: a line a cell, with every number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from lpa3bench.boards.board import Board, Cell, Column, Row
from lpa3bench.errors import printable
from lpa3bench.report.table import column_title
from lpa3bench.report.table_building import result_table

FORMULA = ("=", "+", "-", "@")
"""A spreadsheet takes text that opens with one of these for a formula."""


def board_csv(board: Board) -> str:
    """The file. Shares are in [0, 1]; what is undefined or missing is empty; text is made harmless."""
    table = result_table(board, board.metric)
    lines = [
        dict(_line(board, row.row, column.column, cell.cell))
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell is not None
    ]
    return csv_text(lines)


def csv_text(lines: list[dict[str, Any]]) -> str:
    """Lines as CSV under one head; all have the same names in the same order, or fewer."""
    names = {name: None for line in lines for name in line}
    out = io.StringIO()
    writer = csv.DictWriter(out, [*names], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in line.items()} for line in lines)
    return out.getvalue()


def harmless(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula, on one line; numbers stay numbers."""
    if not isinstance(value, str):
        return "" if value is None else value
    text = printable(value).strip()
    return f"'{text}" if text.startswith(FORMULA) else text


def _line(board: Board, row: Row, column: Column, cell: Cell) -> Iterator[tuple[str, Any]]:
    yield from {
        "board": board.key,
        "row": row.key,
        "row_name": row.name,
        "column": column.key,
        "column_name": column_title(column),
        "metric": board.metric,
        "protocol": board.protocol,
        "n": cell.n,
        "mean": cell.mean,
        "std": cell.std,
        "low": cell.low,
        "high": cell.high,
        "seeds": " ".join(map(str, cell.seeds)),
        "scores": " ".join(map(repr, cell.scores)),
        "relative": cell.relative,
        "training_seconds": cell.seconds,
        "forward_equivalents": cell.passes,
        "trials": cell.trials,
        "identity": cell.identity,
    }.items()
    for name in board.measures:
        if name != board.metric:
            yield name, cell.other_scores.get(name)
            yield f"{name}_std", cell.other_stds.get(name)
    yield from _comparison(cell)
    yield from _published(cell)
    yield "flags", "; ".join(cell.flags)


def _comparison(cell: Cell) -> Iterator[tuple[str, Any]]:
    names = (
        "baseline", "difference", "std", "low", "high", "p", "p_holm", "smallest_p", "verdict", "test",
        "per_sample_p", "worst_class", "worst_class_difference", "classes_harmed", "classes",
    )  # fmt: skip
    comparison = cell.comparison
    yield "pairs", comparison.n if comparison else None
    for name in names:
        title = f"difference_{name}" if name in ("std", "low", "high") else name
        yield title, getattr(comparison, name) if comparison else None
    yield "primary", comparison.primary if comparison else None
    both = comparison.seeds_and_images if comparison else None
    yield "seeds_and_images_low", both.low if both else None
    yield "seeds_and_images_high", both.high if both else None
    yield "differs_in", "; ".join(comparison.differs_in) if comparison else None
    fair = cell.at_equal_cost
    for name in ("baseline", "n", "difference", "low", "high", "p", "p_holm", "verdict", "passes_ratio"):
        yield f"equal_cost_{name}", getattr(fair, name) if fair else None


def _published(cell: Cell) -> Iterator[tuple[str, Any]]:
    for name in ("mean", "std", "n", "printed", "metric", "source", "note"):
        yield f"published_{name}", getattr(cell.published, name) if cell.published else None
    for name in ("verdict", "low", "high"):
        yield f"reproduction_{name}", getattr(cell.reproduction, name) if cell.reproduction else None
