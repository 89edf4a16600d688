"""A table of a board: what stands in each of its places, and why where nothing does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from lpa3bench.leaderboard.board import Board, Cell, Column, Measure, Published, Row
from lpa3bench.report.html.numbers import decimals_for

CLAIMED, MEASURED = KINDS = ("claimed", "measured")
UNCLAIMED, UNMEASURED = PLAIN = ("no published number", "not measured")
"""Why most empty places are empty; other reasons are told below the table."""
OTHER_QUANTITY = {
    "unknown": "its source does not tell which epoch's accuracy this is",
    "none": "another quantity than any of the board's: not comparable",
}


@dataclass(frozen=True)
class Heading:
    """A column of the board: what is claimed beside what is measured."""

    column: Column
    kinds: tuple[str, ...]
    """Without "claimed" where nobody has published a number."""
    measured: int
    planned: int


@dataclass(frozen=True)
class Place:
    """A number in the table, or why there is none."""

    cell: Cell | None
    kind: str
    value: float | None
    best: bool
    """The best mean of its kind in the column, where there are two to compare."""
    remark: str
    """Why there is no number, or what it must not be taken for; mostly empty."""


@dataclass(frozen=True)
class Method:
    """A row of the table."""

    row: Row
    baseline: Row | None
    places: tuple[Place, ...]
    measured: int
    planned: int


@dataclass(frozen=True)
class Table:
    """The board's numbers of one measure."""

    measure: Measure
    main: bool
    """Whether it is of the board's own metric, which rows are compared by."""
    decimals: int
    groups: tuple[tuple[str, int], ...]
    """Headings over columns, each with the number of table columns under it."""
    headings: tuple[Heading, ...]
    bodies: tuple[tuple[str, tuple[Method, ...]], ...]
    """Methods under the headings of their groups."""

    @property
    def letters(self) -> dict[str, str]:
        """A letter for each remark, for the notes below the table."""
        places = (place for _, methods in self.bodies for method in methods for place in method.places)
        remarks = {place.remark: None for place in places if place.remark not in ("", *PLAIN)}
        return {remark: _letter(number) for number, remark in enumerate(remarks)}

    @property
    def width(self) -> int:
        """Table columns, with the method's name and its coverage."""
        return 2 + sum(len(heading.kinds) for heading in self.headings)


def measure(board: Board, key: str) -> Measure:
    """What the board says of a measure; one it does not know is taken for a share."""
    return board.measures.get(key) or Measure(key=key, name=key, text=board.metric_text, unit="%")


def tables(board: Board) -> list[Table]:
    """The table of the board's metric, then one for each measure that is shown besides."""
    keys = [board.metric, *(key for key in board.also if key != board.metric)]
    return [table(board, measure(board, key)) for key in keys]


def table(board: Board, of: Measure) -> Table:
    """The table of one measure."""
    headings = tuple(_heading(board, column, of) for column in board.columns)
    best = {
        (heading.column.key, kind): _best(board, heading.column, kind, of)
        for heading in headings
        for kind in heading.kinds
    }
    rows = {row.key: row for row in board.rows}

    def method(row: Row) -> Method:
        cells = {cell.column: cell for cell in board.cells if cell.row == row.key}
        places = tuple(
            _place(board, cells.get(heading.column.key), kind, of, best[heading.column.key, kind])
            for heading in headings
            for kind in heading.kinds
        )
        measured = sum(_value(board, cell, MEASURED, of) is not None for cell in cells.values())
        return Method(row, rows.get(row.baseline or ""), places, measured, len(cells))

    grouped = groupby(headings, key=lambda heading: heading.column.group)
    return Table(
        measure=of,
        main=of.key == board.metric,
        decimals=decimals_for(_known(_value(board, cell, MEASURED, of) for cell in board.cells), of),
        groups=tuple((name, sum(len(heading.kinds) for heading in under)) for name, under in grouped),
        headings=headings,
        bodies=tuple(
            (name, tuple(method(row) for row in under))
            for name, under in groupby(board.rows, key=lambda row: row.group)
        ),
    )


def _claim(board: Board, cell: Cell | None, of: Measure) -> Published | None:
    """What is claimed of the cell: in the main table all, in others what is claimed of their measure."""
    if cell is None or cell.published is None:
        return None
    return cell.published if of.key in (board.metric, cell.published.metric) else None


def _value(board: Board, cell: Cell | None, kind: str, of: Measure) -> float | None:
    if cell is None:
        return None
    if kind == CLAIMED:
        claim = _claim(board, cell, of)
        return claim.mean if claim else None
    return cell.mean if of.key == board.metric else cell.other_scores.get(of.key)


def _heading(board: Board, column: Column, of: Measure) -> Heading:
    cells = [cell for cell in board.cells if cell.column == column.key]
    claims = any(_claim(board, cell, of) for cell in cells)
    measured = sum(_value(board, cell, MEASURED, of) is not None for cell in cells)
    return Heading(column, KINDS if claims else (MEASURED,), measured, len(cells))


def _best(board: Board, column: Column, kind: str, of: Measure) -> float | None:
    """The best mean; None where there are not two to compare, or where claims are of different measures."""
    cells = [cell for cell in board.cells if cell.column == column.key]
    if kind == CLAIMED:
        cells = [cell for cell in cells if (claim := _claim(board, cell, of)) and claim.metric != "none"]
        if len({cell.published.metric for cell in cells if cell.published}) > 1:
            return None
    known = [*_known(_value(board, cell, kind, of) for cell in cells)]
    if len(known) < 2:
        return None
    return max(known) if of.higher_is_better else min(known)


def _known(values: Iterable[float | None]) -> Iterable[float]:
    return (value for value in values if value is not None)


def _place(board: Board, cell: Cell | None, kind: str, of: Measure, best: float | None) -> Place:
    value = _value(board, cell, kind, of)
    remark = _claim_remark(board, cell, of) if kind == CLAIMED else _reason(cell, value)
    return Place(cell, kind, value, value is not None and value == best, remark)


def _claim_remark(board: Board, cell: Cell | None, of: Measure) -> str:
    """What a claimed number must not be taken for."""
    claim = _claim(board, cell, of)
    if claim is None:
        return UNCLAIMED
    if claim.metric == of.key:
        return claim.note
    other = OTHER_QUANTITY.get(claim.metric) or f"this is claimed of: {measure(board, claim.metric).name}"
    return f"{other}. {claim.note}" if claim.note else other


def _reason(cell: Cell | None, value: float | None) -> str:
    """Why nothing measured stands there."""
    if value is not None:
        return ""
    if cell is None:
        return "not planned"
    said = UNMEASURED if cell.n == 0 else "this measure is undefined for these runs"
    return "; ".join([said, *cell.flags])


def _letter(number: int) -> str:
    """a to z, then aa, ab, …"""
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)
