"""A table of a board: what stands in each of its places, and why where nothing does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from lpa3bench.boards.board import Board, Cell, Column, Measure, Published, Row
from lpa3bench.report.cell_text import claim_of_another
from lpa3bench.report.numbers import decimals_for

CLAIMED, MEASURED = KINDS = ("claimed", "measured")
UNPLANNED, UNCLAIMED, UNMEASURED = PLAIN = ("not planned", "no published number", "not measured")
"""Why most empty places are empty; other reasons are told below the table."""
LONGEST_NOTE = 32
"""A longer note to a row or column stands below the table."""


@dataclass(frozen=True)
class Heading:
    """A column of the board: what is claimed beside what is measured."""

    column: Column
    kinds: tuple[str, ...]
    """Without "claimed" where nobody has published a number."""
    note: str
    """Short enough to stand there; else it is a remark."""
    remark: str
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
    note: str
    """Short enough to stand there; else it is among the remarks."""
    remarks: tuple[str, ...]
    """On the method, and what holds for all claims of its."""
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
        remarks = [heading.remark for heading in self.headings]
        for method in self.methods:
            remarks += [*method.remarks, *(place.remark for place in method.places)]
        told = dict.fromkeys(remark for remark in remarks if remark not in ("", *PLAIN))
        return {remark: _letter(number) for number, remark in enumerate(told)}

    @property
    def methods(self) -> list[Method]:
        """All of them, from top to bottom."""
        return [method for _, methods in self.bodies for method in methods]

    @property
    def claims(self) -> bool:
        """Whether any column has claims."""
        return any(CLAIMED in heading.kinds for heading in self.headings)

    @property
    def best(self) -> bool:
        """Whether any number is the best of its column."""
        return any(place.best for place in self._places)

    @property
    def unplanned(self) -> bool:
        """Whether any place is empty because nothing is planned there."""
        return any(place.remark == UNPLANNED for place in self._places)

    @property
    def empty(self) -> bool:
        """Whether no number stands in it."""
        return all(place.value is None for place in self._places)

    @property
    def _places(self) -> Iterable[Place]:
        return (place for method in self.methods for place in method.places)

    @property
    def width(self) -> int:
        """Table columns, with the method's name and its coverage."""
        return 2 + sum(len(heading.kinds) for heading in self.headings)


def measure(board: Board, key: str) -> Measure:
    """What the board says of a measure; one it does not know is taken for a share."""
    return board.measures.get(key) or Measure(key=key, name=key, text=board.metric_text, unit="%")


def tables(board: Board) -> list[Table]:
    """The table of the board's metric, then those of measures shown besides in which there is a number."""
    besides = [table(board, measure(board, key)) for key in board.also if key != board.metric]
    return [table(board, measure(board, board.metric)), *(one for one in besides if not one.empty)]


def table(board: Board, of: Measure) -> Table:
    """The table of one measure."""
    headings = tuple(_heading(board, column, of) for column in board.columns)
    best = {
        (heading.column.key, kind): _best(board, heading.column, kind, of)
        for heading in headings
        for kind in heading.kinds
    }
    grouped = groupby(headings, key=lambda heading: heading.column.group)
    return Table(
        measure=of,
        main=of.key == board.metric,
        decimals=decimals_for(_known(_value(board, cell, MEASURED, of) for cell in board.cells), of),
        groups=tuple((name, sum(len(heading.kinds) for heading in under)) for name, under in grouped),
        headings=headings,
        bodies=tuple(
            (name, tuple(_method(board, row, headings, of, best) for row in under))
            for name, under in groupby(board.rows, key=lambda row: row.group)
        ),
    )


def _method(
    board: Board,
    row: Row,
    headings: Sequence[Heading],
    of: Measure,
    best: Mapping[tuple[str, str], float | None],
) -> Method:
    cells = {cell.column: cell for cell in board.cells if cell.row == row.key}
    places = tuple(
        _place(board, cells.get(heading.column.key), kind, of, best[heading.column.key, kind])
        for heading in headings
        for kind in heading.kinds
    )
    shared = _shared([place.remark for place in places if place.kind == CLAIMED and place.value is not None])
    if shared:
        places = tuple(replace(place, remark="") if place.remark == shared else place for place in places)
    note, remark = _told(row.note) if of.key == board.metric else ("", "")
    return Method(
        row=row,
        baseline=next((other for other in board.rows if other.key == row.baseline), None),
        note=note,
        remarks=tuple(text for text in (remark, shared) if text),
        places=places,
        measured=sum(_value(board, cell, MEASURED, of) is not None for cell in cells.values()),
        planned=len(cells),
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
    note, remark = _told(column.note) if of.key == board.metric else ("", "")
    return Heading(column, KINDS if claims else (MEASURED,), note, remark, measured, len(cells))


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
    return f"{claim_of_another(claim.metric, board)} {claim.note}".strip()


def _reason(cell: Cell | None, value: float | None) -> str:
    """Why nothing measured stands there."""
    if value is not None:
        return ""
    if cell is None:
        return UNPLANNED
    said = UNMEASURED if cell.n == 0 else "this measure is undefined for these runs"
    return "; ".join([said, *cell.flags])


def _told(note: str) -> tuple[str, str]:
    """A note that is short, and a remark that is not; one of them is empty."""
    return (note, "") if len(note) <= LONGEST_NOTE else ("", note)


def _shared(remarks: Sequence[str]) -> str:
    """The remark that all these are, where they are several; else empty."""
    return remarks[0] if len(remarks) > 1 and len({*remarks}) == 1 else ""


def _letter(number: int) -> str:
    """a to z, then aa, ab, …"""
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)
