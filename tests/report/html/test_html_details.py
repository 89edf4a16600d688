"""What a cell's page tells of its records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.made_up_boards import MEASURES, board, comparison, record

from lpa3bench.boards.board import Board, Cell
from lpa3bench.report.html.details import (
    Section,
    cell_details,
    neighbours_forecast,
    seeds_to_run,
    told_of_a_cell,
    verdict_sentence,
)


def with_records(**records: dict[str, Any]) -> Board:
    made = board()
    only = replace(made.cells[0], records=tuple(records), seeds=(0, 1), scores=(0.9, 0.8), n=2)
    return replace(made, cells=(only,), records=records)


def section(made: Board, title: str) -> Section:
    return next(part for part in cell_details(made, made.cells[0]).sections if part.title == title)


def test_what_runs_share_is_told_once_and_the_rest_by_seed() -> None:
    made = with_records(a=record(0, 0.9), b=record(1, 0.8, margin="0.03"))
    config = section(made, "Config")
    assert ("run.task", "@tasks.Supervised()") in config.shared
    assert config.differing == (("positives/LPA3.margin", (("0", "0.02"), ("1", "0.03"))),)
    labels = section(made, "Labels")
    assert labels.differing == (("sha256", (("0", "0" * 12 + "…"), ("1", "1" * 12 + "…"))),)
    environment = dict(section(made, "Environment").shared)
    assert environment["versions.torch"] == "2.14.1"
    assert dict(section(made, "Environment").differing)["command"][1] == (
        "1",
        "lpa3bench run digits -p run.seed=1",
    )


def test_what_a_record_lacks_is_said_to_be_absent() -> None:
    lacking = record(1, 0.8)
    del lacking["config"]["run.task"]
    made = with_records(a=record(0, 0.9), b=lacking)
    assert dict(section(made, "Config").differing)["run.task"] == (
        ("0", "@tasks.Supervised()"),
        ("1", "absent"),
    )


def test_seeds_that_agree_are_told_together_and_numbers_by_their_ends() -> None:
    records = {name: record(seed, 0.5) for seed, name in enumerate("abcd")}
    for seed, kept in enumerate(records.values()):
        kept["cost"]["training_seconds"] = (2.5, 10.0, 0.75, 3)[seed]
        kept["provenance"]["versions"]["torch"] = "2.9" if seed == 3 else "2.14"
        kept["provenance"]["finished"] = f"2026-11-{(30, 9, 10, 11)[seed]:02}T00:00:00+00:00"
        kept["note"] = None if seed == 0 else seed
    made = with_records(**records)
    made = replace(made, cells=(replace(made.cells[0], seeds=(0, 1, 2, 3), scores=(0.5,) * 4, n=4),))
    rest = dict(section(made, "Record").differing)
    assert rest["cost.training_seconds"] == (("", "0.75 to 10"),)
    assert rest["note"] == (("0", "none"), ("1", "1"), ("2", "2"), ("3", "3")), "no number for each: no ends"
    environment = dict(section(made, "Environment").differing)
    versions = (("0 to 2", "2.14"), ("3", "2.9"))
    assert environment["versions.torch"] == versions, "text that looks like a number is none"
    span = "2026-11-09T00:00:00+00:00 to 2026-11-30T00:00:00+00:00"
    assert environment["finished"] == (("", span),)


def test_a_cell_tells_its_own_metric_by_every_rule_and_the_others_by_the_board_s() -> None:
    made = replace(board(), metric="accuracy.last", also=("ece.val_selected",))
    names = ("accuracy.last", "accuracy.oracle_best", "ece.val_selected", "ece.last", "nll.last", "nll.best")
    assert [told_of_a_cell(made, name) for name in names] == [True, True, True, True, True, False]
    assert told_of_a_cell(made, "seconds_per_step")
    assert not told_of_a_cell(replace(made, metric="nll.val_selected"), "ece.last")
    kept = record(0, 0.9) | {"metrics": dict.fromkeys(names, 0.5)}
    shown = replace(made.cells[0], records=("a",), seeds=(0,), scores=(0.9,), n=1)
    found = cell_details(replace(made, cells=(shown,), records={"a": kept}), shown)
    assert found.metrics == names[:3], "of each run less: a line for each would be half of the page"


def test_runs_keep_their_metrics_apart() -> None:
    made = with_records(**{"x-s0.json": record(0, 0.9), "x-s1.json": record(1, 0.8)})
    found = cell_details(made, made.cells[0])
    assert found.metrics == ("last", "mean_last_10", "val_selected", "oracle_best")
    assert [run.metrics[:2] for run in found.runs] == [(0.9, None), (0.8, None)]
    assert found.prefix == "x"
    assert [bar.name for bar in found.bars] == ["0", "1", "2"]
    assert found.bars[0].share == pytest.approx(0.85)
    assert found.bars[0].baseline is None


def test_what_is_nested_is_named_by_its_path() -> None:
    kept = record(0, 0.9)
    kept["odd"] = {
        "matrix": [[1, 2], [3, 4], [5, 6]],
        "list": [0.5] * 100,
        "a": {"b": 1, "c": [1.5, None]},
        "d": True,
        "command": ["x", "y z"],
    }
    shared = dict(section(with_records(a=kept), "Record").shared)
    assert {name: text for name, text in shared.items() if name.startswith("odd")} == {
        "odd.matrix": "3 × 2 numbers, in the record",
        "odd.list": "100 values, in the record",
        "odd.a.b": "1",
        "odd.a.c": "1.5; none",
        "odd.d": "yes",
        "odd.command": "x 'y z'",
    }


@pytest.mark.parametrize(
    ("verdict", "difference", "why", "expected"),
    [
        ("better", 0.0191, "better: p = 0.0029 after Holm's correction over 6 comparisons, 12 pairs",
         "Better than FixMatch by 1.91 points: p = 0.0029 after Holm’s correction over 6 comparisons, "
         "12 pairs."),
        ("worse", -0.0126, "worse: p = 0.018, 12 pairs",
         "Worse than FixMatch by 1.26 points: p = 0.018, 12 pairs."),
        ("no difference shown", 0.001, "no difference shown: p = 0.78, 12 pairs",
         "No difference from FixMatch shown (+0.10 points): p = 0.78, 12 pairs."),
        ("not testable", -0.0005, "not testable: 3 pairs allow no p below 0.25",
         "Not testable against FixMatch (−0.05 points): 3 pairs allow no p below 0.25."),
        ("better", 0.01, "", "Better than FixMatch by 1.00 points."),
    ],
)  # fmt: skip
def test_a_verdict_is_a_sentence_with_what_it_rests_on(
    verdict: str, difference: float, why: str, expected: str
) -> None:
    made = replace(comparison(verdict, difference), why=why)
    assert verdict_sentence(made, "FixMatch", MEASURES["last"]) == expected


def planned(made: Board, row: str, column: str) -> tuple[Board, Cell]:
    """The same board with an empty cell in that place."""
    empty = Cell(row=row, column=column)
    rest = tuple(cell for cell in made.cells if (cell.row, cell.column) != (row, column))
    return replace(made, cells=(*rest, empty)), empty


def test_an_empty_cell_is_forecast_by_counted_passes_of_its_neighbours() -> None:
    made = board()
    costs = {("fixmatch", "c40"): 1000.0, ("fixmatch", "c250"): 2000.0, ("fixmatch-lpa3", "c250"): 6600.0,
             ("randaugment", "c40"): 1500.0}  # fmt: skip
    cells = tuple(replace(cell, passes=costs.get((cell.row, cell.column))) for cell in made.cells)
    by_ratio = planned(replace(made, cells=cells), "fixmatch-lpa3", "c40")
    assert neighbours_forecast(*by_ratio) == (
        "3.30 k image passes, by what the method took of its baseline’s in other columns."
    )
    by_column = planned(replace(made, cells=cells), "infomin", "c40")
    assert neighbours_forecast(*by_column) == (
        "Other methods took 1 k to 1.50 k image passes in this column; of this one nothing is counted yet."
    )
    assert neighbours_forecast(*planned(replace(made, cells=cells), "infomin", "stl")) == ""


def test_an_empty_cell_is_run_with_the_seeds_that_make_pairs() -> None:
    made = board()
    cells = tuple(
        replace(cell, seeds=(7, 8)) if (cell.row, cell.column) == ("fixmatch", "c40") else cell
        for cell in made.cells
    )
    assert seeds_to_run(*planned(replace(made, cells=cells), "randaugment", "c40")) == (7, 8)
    far = planned(replace(made, cells=cells), "randaugment", "stl")
    assert seeds_to_run(*far) == (7, 8), "any are better than none"
    bare = replace(made, cells=())
    assert seeds_to_run(*planned(bare, "randaugment", "c40")) == ()
