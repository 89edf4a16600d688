"""A board made up for whatever records there are: it has one place for each of them."""

from __future__ import annotations

import pytest
from smallboards import LPA3, defined
from smallrecords import bits, changed, small_record

from lpa3bench.errors import DataError
from lpa3bench.leaderboard.drafting import draft
from lpa3bench.leaderboard.placing import by_cell, places
from lpa3bench.records import Record


def labelled(record: Record, kind: str, config: dict[str, str]) -> Record:
    return changed(record, cell={**record.cell, "labels": kind}, config={**record.config, **config})


NOISY = {"SymmetricNoise.rate": "0.5"}
WORSE = {"SymmetricNoise.rate": "0.9"}
SEARCH = {"positives/LPA3.iterations": "3"}
NO_SEARCH = {"run.positives": "@noise/augmenters.LPA3()", "noise/LPA3.iterations": "0"}
RECORDS = [
    small_record(bits(5), identity="00000001", setting="clean"),
    small_record(bits(6), identity="00000001", setting="clean", seed=1),
    small_record(bits(5), identity="00000002", setting="equal_cost", earlier=[0.1] * 4),
    small_record(bits(7), identity="00000003", setting="clean", slots=LPA3, config=SEARCH),
    small_record(bits(7), identity="00000004", setting="clean", slots=LPA3, config=NO_SEARCH),
    labelled(small_record(bits(4), identity="00000005", setting="sym50"), "SymmetricNoise", NOISY),
    labelled(small_record(bits(3), identity="00000006", setting="sym90"), "SymmetricNoise", WORSE),
    small_record(bits(5), identity="00000007", task="FixMatch", slots={"strong": "RandAugment"}, setting="x"),
    small_record(
        bits(5), identity="00000008", task="FixMatch", slots={"strong": "RandAugment", **LPA3}, setting="x"
    ),
]


def test_every_record_has_one_place_and_no_experiments_share_one() -> None:
    board = defined(draft(RECORDS, "Mine"))
    assert all(len(places(board, record)) == 1 for record in RECORDS)
    cells = by_cell(board, RECORDS)  # raises where two experiments share a cell
    assert sorted(len(runs) for runs in cells.values()) == [1] * 7 + [2]


def test_rows_are_arms_and_columns_are_what_they_are_tried_on() -> None:
    board = defined(draft(RECORDS, "Mine"))
    assert [column.name for column in board.columns] == [
        "Digits",
        "Digits SymmetricNoise 0.5",
        "Digits SymmetricNoise 0.9",
    ]
    assert [row.name for row in board.rows] == [
        "FixMatch + RandAugment (strong)",
        "FixMatch + LPA3 + RandAugment (strong)",
        "Supervised (clean, sym50, sym90)",
        "Supervised (equal_cost)",
        "Supervised + LPA3 (LPA3.iterations = 0)",
        "Supervised + LPA3 (LPA3.iterations = 3)",
    ]
    baselines = {row.name: row.baseline for row in board.rows}
    assert baselines["FixMatch + LPA3 + RandAugment (strong)"] == "fixmatch-randaugment-strong"
    assert baselines["Supervised (clean, sym50, sym90)"] is None
    assert baselines["Supervised (equal_cost)"] == "supervised-clean-sym50-sym90"


def test_the_order_of_records_has_no_say() -> None:
    assert draft(RECORDS[::-1], "Mine") == draft(RECORDS, "Mine")


def test_names_that_toml_must_quote_come_through() -> None:
    record = small_record(bits(5), dataset='a "b" \\ c', name="odd", slots={"positives": 'My"Aug'})
    board = defined(draft([record], 'The "title"\n'))
    assert board.title == 'The "title"\n'
    assert len(places(board, record)) == 1


def test_no_records_make_no_board() -> None:
    with pytest.raises(DataError, match="no record"):
        draft([], "Mine")
