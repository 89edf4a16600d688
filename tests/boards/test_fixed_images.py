"""What always happens, and on which images: boards say both."""

from __future__ import annotations

import json

import pytest
from support.shipped_configs import loaded
from support.small_boards import LPA3, TOML, board_of
from support.small_records import changed, small_record

from lpa3bench.boards.definition import load_definition
from lpa3bench.boards.placing import places
from lpa3bench.records import Record, read_record
from lpa3bench.report.board_json import board_json
from lpa3bench.report.csv_table import board_csv
from lpa3bench.report.html.page import board_page
from lpa3bench.runtime.paths import shipped

MORE = [True] * 30 + [False] * 10
FEWER = [True] * 15 + [False] * 25


def three_pairs(method: list[bool], data: str = "d") -> list[Record]:
    return [
        small_record(right, seed=seed, slots=slots, data=data)
        for seed in range(3)
        for right, slots in ((FEWER, {}), (method, LPA3))
    ]


def test_a_board_says_on_which_images_its_numbers_hold() -> None:
    notes = " ".join(board_of(*three_pairs(MORE)).notes)
    assert "All runs of a cell are scored on one fixed test set: Digits, 40 images." in notes
    assert "a bootstrap over seeds and test images" in notes
    assert "fixed test set" not in " ".join(board_of().notes)


def test_several_test_sets_are_told() -> None:
    both = TOML.replace(
        'match = { dataset = "Digits" }\n', 'match = { dataset = "Digits", setting = "none" }\n'
    )
    both += (
        '\n[[columns]]\nkey = "other"\nname = "Other"\nmatch = { dataset = "Digits", setting = "other" }\n'
    )
    other = small_record(FEWER, data="e", setting="other")
    notes = " ".join(board_of(*three_pairs(MORE), other, text=both).notes)
    assert "scored on fixed test sets: Digits, 2 test sets of 40 images." in notes


def test_a_cell_has_the_interval_over_seeds_and_images_beside_that_over_seeds() -> None:
    board = board_of(*three_pairs(MORE))
    cell = board.cell("lpa3", "digits")
    assert cell
    assert cell.comparison
    found = cell.comparison.seeds_and_images
    assert found
    assert (found.seeds, found.images, found.difference) == (3, 40, pytest.approx(0.375))
    assert found.low < 0.375 < found.high
    told = json.loads(board_json(board))["cells"][1]["comparisons"][0]["seeds_and_images"]
    assert (told["low"], told["high"]) == (found.low, found.high)
    assert repr(found.low) in board_csv(board)
    page = board_page(board)
    low, high = (f"{100 * bound:+.2f}" for bound in (found.low, found.high))
    assert f"95 % interval {low} to {high} by a bootstrap over 3 seeds and 40 test images" in page


def test_a_board_of_another_measure_has_none() -> None:
    text = TOML.replace('metric = "accuracy.last"', 'metric = "accuracy.oracle_best"')
    cell = board_of(*three_pairs(MORE), text=text).cell("lpa3", "digits")
    assert cell
    assert cell.comparison
    assert cell.comparison.seeds_and_images is None


@pytest.mark.parametrize(
    ("board", "configs"),
    [
        (
            "digits",
            ["digits_supervised", "digits_fixmatch", "digits_dividemix", "digits_pes", "digits_mixup"],
        ),
        ("rivals", ["digits_supervised", "digits_fixmatch", "digits_pes"]),
        ("fashion_mini", ["fashion_fixmatch", "fashion_pes"]),
        ("table1", ["cifar10_fixmatch", "cifar100_fixmatch"]),
        ("table2", ["cifar10_pes", "cifar100_mixup", "cifar10_dividemix"]),
    ],
)
def test_the_shipped_boards_name_what_always_happens(board: str, configs: list[str]) -> None:
    text = load_definition(shipped("leaderboards") / board).text
    for config in configs:
        weak = str(loaded(config).experiment().spec.weak)
        assert weak.removesuffix(", filled by reflection") in text, config


@pytest.mark.parametrize(
    ("config", "has_place"),
    [
        ({}, True),  # made before there were other splits
        ({"Digits.split": "0"}, True),
        ({"Digits.split": "1"}, False),
        ({"run.weak": "@WeakView()", "WeakView.pad": "0"}, False),
    ],
)
def test_the_board_of_digits_is_of_its_first_split_and_its_weak_view(
    config: dict[str, str], has_place: bool
) -> None:
    folder = shipped("leaderboards") / "digits"
    path = next((folder / "results").glob("digits-supervised-clean-*-s100.json"))
    record = read_record(path)
    assert not record.config.keys() & {"Digits.split"}
    other = changed(record, config={**record.config, **config})
    assert bool(places(load_definition(folder), other)) == has_place


def test_rows_without_an_augmenter_are_called_by_what_is_left() -> None:
    for board in ("digits", "rivals", "fashion_mini", "cost"):
        names = {row.key: row.name for row in load_definition(shipped("leaderboards") / board).rows}
        assert names["none"] == "weak view only"
        assert not any("no augmenter" in name for name in names.values())
