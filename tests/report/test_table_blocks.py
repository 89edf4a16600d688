"""Tables fit their page: cut between tasks, and no number without its row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.made_up_boards import board, wide_board

from lpa3bench.report.board_readme import board_readme
from lpa3bench.report.markdown import EM_PX, NO_BREAK, PADDING_PX, PAGE_PX, SAFETY, markdown_tables
from lpa3bench.report.table_blocks import UNBROKEN_NAME, blocks, text_units, unbroken_words
from lpa3bench.report.table_building import result_table
from lpa3bench.report.table_text import (
    TextCell,
    TextHead,
    TextLine,
    TextTable,
    comparison_text_table,
    result_text,
)

NUMBER = TextCell("98.27 ± 0.35", best=True)


def table(*tasks: str, rows: int = 2) -> TextTable:
    heads = tuple(TextHead(f"{task}, {at}", task, "(n 12)") for at, task in enumerate(tasks))
    lines = tuple(
        TextLine("", f"RandAugment as added term {row}", "", (NUMBER,) * len(heads)) for row in range(rows)
    )
    return TextTable(heads, lines)


def columns(made: TextTable) -> list[list[str]]:
    found = blocks(made, PAGE_PX / EM_PX / SAFETY, PADDING_PX / EM_PX / SAFETY)
    return [[head.task for head in block.heads] for block in found]


def test_a_table_that_fits_is_one() -> None:
    assert columns(table("A", "B", "C", "D", "E")) == [["A", "B", "C", "D", "E"]]


def test_one_that_does_not_is_cut_evenly_between_tasks() -> None:
    assert columns(table(*"ABCDEF")) == [["A", "B", "C"], ["D", "E", "F"]]
    assert columns(table(*"AAABCCD")) == [["A", "A", "A", "B"], ["C", "C", "D"]]
    assert [len(block) for block in columns(table(*"A" * 11))] == [4, 4, 3], "one task alone is too wide"


@given(st.lists(st.sampled_from("ABCDEFGH"), min_size=1, max_size=30), st.integers(1, 4))
def test_no_column_and_no_number_is_lost(tasks: list[str], rows: int) -> None:
    made = table(*tasks, rows=rows)
    found = blocks(made, PAGE_PX / EM_PX / SAFETY, PADDING_PX / EM_PX / SAFETY)
    assert [head for block in found for head in block.heads] == [*made.heads]
    assert all(len(line.cells) == len(block.heads) for block in found for line in block.lines)
    assert all(len(block.lines) == rows for block in found)


def test_a_row_stands_only_where_it_has_something() -> None:
    made = table(*"ABCDEF")
    gap = replace(made.lines[1], cells=(NUMBER, *[None] * 5))
    first, second = blocks(replace(made, lines=(made.lines[0], gap)), PAGE_PX / EM_PX / SAFETY, 1.6)
    assert (len(first.lines), len(second.lines)) == (2, 1)


def _px(page: str) -> list[float]:
    """By the budget, what each table of a page takes at least: no line of a cell is broken but the names."""
    found = []
    for part in page.split("\n\n"):
        rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")]
        if len(rows) > 2:
            lines = [
                [sub for cell in column for sub in cell.replace("**", "").replace("\\", "").split("<br>")]
                for column in zip(*(row for row in rows if len(row) == len(rows[1])), strict=True)
            ]
            sizes = [
                max(text_units(word) for sub in column for word in sub.split(" ")) for column in lines[1:]
            ]
            names = min(max(map(text_units, lines[0])), UNBROKEN_NAME)
            found.append(sum(EM_PX * SAFETY * size + PADDING_PX for size in (names, *sizes)))
    return found


def test_every_table_of_a_wide_board_fits_githubs_page() -> None:
    widths = _px(board_readme(wide_board(12)))
    assert len(widths) > 6
    assert max(widths) <= PAGE_PX


def test_no_line_ends_within_a_number() -> None:
    text = markdown_tables(result_text(result_table(board(), "last")))
    assert f"94.20{NO_BREAK}±{NO_BREAK}0.16" in text
    assert " ± " not in text
    compared = comparison_text_table(result_table(board(), "last"))
    assert compared is not None
    shown = markdown_tables(compared)
    assert f"▼{NO_BREAK}−1.10{NO_BREAK}" in shown
    assert "worse" not in shown, "a sign, whose meaning is told beside the table"


def test_what_is_not_compared_anywhere_has_no_column() -> None:
    compared = comparison_text_table(result_table(board(), "last"))
    assert compared is not None
    assert all(
        any(line.cells[at] is not None for line in compared.lines) for at in range(len(compared.heads))
    )
    assert len(compared.heads) < len(board().columns)


@pytest.mark.parametrize("name", ["PES, 50 % noise", "50 %", "a b"])
def test_a_percentage_is_one_word(name: str) -> None:
    assert " ".join(unbroken_words(name)) == name
    assert all(word != "%" for word in unbroken_words(name))
