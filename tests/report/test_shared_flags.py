"""A mark singles a cell out; what all cells of a column have is told once."""

from __future__ import annotations

from support.small_boards import LPA3, TOML, board_of
from support.small_records import bits, changed, small_record

from lpa3bench.boards.board import Board
from lpa3bench.report.board_readme import board_readme
from lpa3bench.report.html.page import board_page
from lpa3bench.report.shared_flags import own_flags, told_of_all

TWINS = "Digits: 3 of 10 test images have the pixels of training images"
ODD = "slot positives was never asked"
OTHER = """
[[columns]]
key = "other"
name = "Other images"
match = { dataset = "STL10" }
"""


def board(*lpa3_flags: str, text: str = TOML) -> Board:
    plain, lpa3 = small_record(bits(6)), small_record(bits(8), slots=LPA3)
    runs = [changed(plain, flags=(TWINS,)), changed(lpa3, flags=lpa3_flags)]
    other = [small_record(bits(6), dataset="STL10"), small_record(bits(8), dataset="STL10", slots=LPA3)]
    return board_of(*runs, *(other if text != TOML else ()), text=text)


def test_what_all_cells_have_marks_none_and_stands_above_the_table() -> None:
    made = board(TWINS, ODD)
    assert [*own_flags(made).values()] == [(), (ODD,)]
    assert [*told_of_all(made)] == [f"All cells: {TWINS}."]
    page = board_readme(made)
    assert page.count(TWINS) == 1
    assert page.index(TWINS) < page.index("no augmenter |")
    assert f"{ODD}: LP-A3 (Digits)" in page
    html = board_page(made)
    assert html.count('<span class="flag"') == 1
    assert f'<p class="caption">All cells: {TWINS}.</p>' in html


def test_what_one_cell_has_marks_it() -> None:
    made = board(ODD)
    assert [*own_flags(made).values()] == [(TWINS,), (ODD,)]
    assert [*told_of_all(made)] == []


def test_the_column_is_told_where_others_are_without_it() -> None:
    made = board(TWINS, text=TOML + OTHER)
    assert not any(own_flags(made).values())
    assert [*told_of_all(made)] == [f"All cells of Digits: {TWINS}."]
