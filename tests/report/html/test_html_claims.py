"""A board on which nothing is measured: its claims as they were printed, and how each place is run."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from support.made_up_boards import board

from lpa3bench.boards.board import Board, Cell
from lpa3bench.report.html import board_page


def empty(*, claims: bool = True) -> Board:
    """The made-up board before its first run."""
    made = board()
    cells = tuple(
        Cell(
            row=cell.row,
            column=cell.column,
            published=cell.published if claims else None,
            command="lpa3bench run mine" if cell.column == "c40" else "",
            conditions=("task is FixMatch", "dataset is <i>Mine</i>"),
            cost_text="A step is 384 forward equivalents." if cell.column == "c40" else "",
        )
        for cell in made.cells
    )
    commands = ("lpa3bench suite suites/made_up", *made.commands)
    return replace(made, cells=cells, records={}, ranking=None, commands=commands)


def rows(page: str) -> list[list[str]]:
    """The texts of the board's places, row by row."""
    (table,) = re.findall(r'<table id="board".*?</table>', page, re.DOTALL)
    lines = re.findall(r'<tr class="method".*?</tr>', table, re.DOTALL)
    cells = [re.findall(r"<td>(.*?)</td>", line, re.DOTALL) for line in lines]
    return [
        [" ".join(re.sub(r"<sup.*?</sup>|<[^>]+>", " ", text).split()) for text in line] for line in cells
    ]


def test_claims_stand_as_printed_in_one_column_a_setting() -> None:
    page = board_page(empty())
    assert rows(page) == [
        ["92.51 ± 1.21", "run it", "run it"],
        ["92.39 ± 1.21", "run it", "92.63 ± 1.21"],
        ["run it", "run it", "run it"],
        ["", "", "86.0"],
    ], "and no dash in sight; what is not planned is blank"
    assert "Nothing is measured yet. These are the numbers that others claim" in page
    assert "The claim is of another measure: best on test." in page
    assert page.count("lpa3bench suite suites/made_up") == 2, "below the table, and where it is rebuilt"


def test_a_board_without_claims_is_no_page_of_dashes_either() -> None:
    page = board_page(empty(claims=False))
    assert {text for line in rows(page) for text in line} == {"run it", ""}
    assert "others claim" not in page


def test_every_place_leads_to_its_cell() -> None:
    page = board_page(empty())
    links = re.findall(r'<a href="#(cell-[^"]+)" class="open', page)
    assert len(links) == len(empty().cells)
    assert {*links} <= {*re.findall(r'id="(cell-[^"]+)"', page)}


def about(page: str, cell: str) -> str:
    (found,) = re.findall(rf'<div class="about" id="cell-{cell}">(.*?)</details>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def test_an_empty_cell_says_command_cost_and_where_to_send_the_record() -> None:
    told = about(board_page(empty()), "fixmatch:c40")
    for part in (
        "Nothing is measured here yet.",
        "92.51 % ± 1.21, n 3",
        "lpa3bench run mine --seed 0 ",
        "Once for each of the seeds 0 to 2: ",
        "3 runs are claimed",
        "head says, for its default setting: A step is 384 forward equivalents.",
        "lpa3bench show mine counts its passes",
        "result.json",
        "lpa3bench leaderboard build made_up --from runs",
        "lpa3bench leaderboard merge",
    ):
        assert part in told, part
    shipped = replace(empty(), commands=("lpa3bench suite suites/table2",))
    assert "--seed 1 Copy Once for each of the suite’s seeds, 1 to 3; 3 runs" in about(
        board_page(shipped), "fixmatch:c40"
    )


def test_a_claim_says_of_what_it_is_or_that_nobody_tells() -> None:
    told = {
        "unknown": "its source does not tell which epoch counts",
        "none": "of another quantity than any score of a record",
        "oracle_best": "a claim of best on test",
    }
    for metric, words in told.items():
        cells = tuple(
            replace(cell, published=cell.published and replace(cell.published, metric=metric))
            for cell in empty().cells
        )
        assert f"; {words}" in about(board_page(replace(empty(), cells=cells)), "fixmatch:c40")


def test_where_no_shipped_file_is_for_it_its_conditions_are_told() -> None:
    told = about(board_page(empty()), "fixmatch:c250")
    assert "No shipped config file is for it." in told
    assert "task is FixMatch dataset is &lt;i&gt;Mine&lt;/i&gt;" in told
    assert "Nothing is counted yet for this cell or its neighbours." in told
    assert "lpa3bench run" not in told


@pytest.mark.parametrize(("seeds", "told"), [((100, 101, 102), "--seed 100"), ((7,), "--seed 7")])
def test_seeds_are_those_of_its_neighbours(seeds: tuple[int, ...], told: str) -> None:
    made = empty()
    scores = (0.9,) * len(seeds)
    neighbour = replace(board().cells[1], column="c40", row="randaugment", seeds=seeds, scores=scores)
    cells = tuple(neighbour if (c.row, c.column) == ("randaugment", "c40") else c for c in made.cells)
    assert f"lpa3bench run mine {told}" in about(board_page(replace(made, cells=cells)), "fixmatch-lpa3:c40")
