"""A board's results by one measure as a table: the model that Markdown, LaTeX, HTML and CSV are written from.

Its numbers are text as a reader sees it; a writer adds its own signs and layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from lpa3bench.boards.board import Cell, Column, Comparison, Measure, Published, Reproduction, Row

UNMEASURED = "not measured"
"""Why most empty places are empty; other reasons are told below the table."""
SIGNS_OF_CLAIMS = "†‡§¶"


@dataclass(frozen=True)
class ClaimedResult:
    """What somebody published of a cell."""

    claim: Published
    of_another: str
    """What it must not be taken for: a sentence where it is not of the table's measure, else empty."""
    remark: str
    """The same and the claim's note, unless both hold for all claims of the row."""
    best: bool
    """The best claim of its column, where there are two that can be compared."""


@dataclass(frozen=True)
class Against:
    """A cell against another one, in the table of the measure that rows are compared by."""

    comparison: Comparison
    difference: str
    interval: str
    """`[-0.12, 0.40]`; empty where there are too few pairs for one."""
    p: str
    """After correction; where nothing can be tested, the smallest that there could be."""
    ratio: str
    """Of the method's passes to those of its equal-cost arm, `1.10`, where they are not equal; else empty."""


@dataclass(frozen=True)
class MeasuredResult:
    """What the board's records say of a cell."""

    value: float
    mean: str
    std: str
    """Empty for a single run."""
    n: int
    trials: int | None
    """Random draws that its settings were chosen from; None: they were not searched for."""
    ratio: str
    """Of the baseline's mean, `5.33`; empty but for costs."""
    best: bool


@dataclass(frozen=True)
class ResultCell:
    """A planned place of the table."""

    cell: Cell
    claimed: ClaimedResult | None
    measured: MeasuredResult | None
    missing: str
    """Why nothing measured stands there."""
    against: Against | None
    """Its baseline."""
    at_equal_cost: Against | None
    reproduction: Reproduction | None
    """Whether the measured result agrees with the claimed one."""


@dataclass(frozen=True)
class ResultRow:
    """A method."""

    row: Row
    baseline: Row | None
    note: str
    """Short enough to stand there; else it is among the remarks."""
    remarks: tuple[str, ...]
    """On the method, and what holds for all claims of its."""
    cells: tuple[ResultCell | None, ...]
    """In the order of the columns; None: not planned."""

    @property
    def known(self) -> list[ResultCell]:
        """Those that are planned."""
        return [cell for cell in self.cells if cell is not None]

    @property
    def planned(self) -> int:
        return len(self.known)

    @property
    def measured(self) -> int:
        return sum(cell.measured is not None for cell in self.known)

    @property
    def claimed(self) -> int:
        return sum(cell.claimed is not None for cell in self.known)


@dataclass(frozen=True)
class ResultColumn:
    """A setting in which methods are compared."""

    column: Column
    claims: bool
    """Whether anybody has published a number for it."""
    note: str
    """Short enough to stand there; else it is a remark."""
    remark: str
    measured: int
    planned: int

    @property
    def width(self) -> int:
        """Places side by side: what is claimed beside what is measured."""
        return 2 if self.claims else 1


@dataclass(frozen=True)
class ResultTable:
    """The board's results by one measure."""

    measure: Measure
    main: bool
    """Whether it is the board's own measure, by which rows are compared."""
    columns: tuple[ResultColumn, ...]
    groups: tuple[tuple[str, tuple[ResultRow, ...]], ...]
    """Rows under the headings of their groups."""

    @property
    def rows(self) -> list[ResultRow]:
        """All of them, from top to bottom."""
        return [row for _, rows in self.groups for row in rows]

    @property
    def spans(self) -> list[tuple[str, tuple[ResultColumn, ...]]]:
        """Neighbouring columns under the headings of their groups."""
        return [(name, tuple(under)) for name, under in groupby(self.columns, key=lambda c: c.column.group)]

    @property
    def letters(self) -> dict[str, str]:
        """A letter for each remark, for the notes below the table."""
        remarks = [column.remark for column in self.columns]
        for row in self.rows:
            remarks += row.remarks
            for cell in row.known:
                remarks += [cell.claimed.remark if cell.claimed else "", cell.missing]
        told = dict.fromkeys(remark for remark in remarks if remark not in ("", UNMEASURED))
        return {remark: _letter(number) for number, remark in enumerate(told)}

    @property
    def signs(self) -> dict[str, str]:
        """A sign for each sentence on claims of another measure."""
        told = dict.fromkeys(c.claimed.of_another for c in self._cells if c.claimed and c.claimed.of_another)
        signs = SIGNS_OF_CLAIMS
        return {text: signs[n % len(signs)] * (n // len(signs) + 1) for n, text in enumerate(told)}

    @property
    def claims(self) -> bool:
        return any(column.claims for column in self.columns)

    @property
    def best(self) -> bool:
        """Whether any number is the best of its column."""
        found = [result for cell in self._cells for result in (cell.claimed, cell.measured) if result]
        return any(result.best for result in found)

    @property
    def ratios(self) -> bool:
        """Whether any number has its ratio to the baseline's."""
        return any(cell.measured and cell.measured.ratio for cell in self._cells)

    @property
    def unplanned(self) -> bool:
        """Whether any place is empty because nothing is planned there."""
        return any(cell is None for row in self.rows for cell in row.cells)

    @property
    def empty(self) -> bool:
        """Whether no number stands in it."""
        return not any(cell.claimed or cell.measured for cell in self._cells)

    @property
    def _cells(self) -> list[ResultCell]:
        return [cell for row in self.rows for cell in row.known]


def column_title(column: Column) -> str:
    """Its name, its group's before it."""
    return f"{column.group}, {column.name}" if column.group else column.name


def _letter(number: int) -> str:
    """a to z, then aa, ab, …"""
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)
