"""What a cell is of, by its runs, and before there are any by its conditions."""

from __future__ import annotations

from support.small_boards import LPA3, TOML, board_of
from support.small_records import bits, small_record

from lpa3bench.boards.facets import filled


def test_of_runs_every_facet_is_known() -> None:
    board = board_of(small_record(bits(6)), small_record(bits(7), slots=LPA3))
    plain, other = (board.cell(row, "digits") for row in ("none", "lpa3"))
    assert plain is not None
    assert other is not None
    assert plain.facets == {
        "task": "Supervised", "dataset": "Digits", "slots.view": "none", "slots.strong": "none",
        "slots.positives": "none",
    }  # fmt: skip
    assert filled(plain.facets) == []
    assert filled(other.facets) == ["positives: LPA3"]


def test_of_an_empty_cell_what_its_conditions_demand() -> None:
    cell = board_of(small_record(bits(6))).cell("lpa3", "digits")
    assert cell is not None
    assert cell.facets == {"dataset": "Digits", "slots.positives": "LPA3"}
    several = TOML.replace('dataset = "Digits"', 'dataset = ["Digits", "CIFAR10"]')
    found = board_of(small_record(bits(6)), text=several).cell("lpa3", "digits")
    assert found is not None
    assert found.facets == {"slots.positives": "LPA3"}, "of several values none is told"
