"""Runs by cell: mean, standard deviation and n."""

from __future__ import annotations

import pytest
from support.small_records import bits, renamed, small_record

from lpa3bench.boards.cell_means import cell_columns, cell_means

RUNS = [small_record(bits(right), seed=seed) for seed, right in ((1, 6), (0, 8))]
OTHER = small_record(bits(5), identity="1")


def test_a_row_a_cell() -> None:
    cells, again = cell_means([*RUNS, OTHER])
    assert [(cell.label.rpartition("-")[0], len(cell.runs)) for cell in cells] in (
        [("digits-supervised", 2), ("digits-supervised", 1)],
        [("digits-supervised", 1), ("digits-supervised", 2)],
    )
    (two,) = (cell for cell in cells if len(cell.runs) == 2)
    assert [run.seed for run in two.runs] == [0, 1]
    assert two.scores["accuracy.last"].mean == pytest.approx(0.7)
    assert two.scores["accuracy.last"].std == pytest.approx(0.1414, abs=1e-4)
    assert two.scores["accuracy.val_selected"].n == 0
    assert again == 0


def test_a_seed_counts_once() -> None:
    cells, again = cell_means([*RUNS, small_record(bits(9), seed=1)])
    assert (len(cells), len(cells[0].runs), again) == (1, 2, 1)


def test_the_same_as_columns() -> None:
    columns = cell_columns([*RUNS, OTHER])
    assert sorted(columns["n"]) == [1, 2]
    place = columns["n"].index(2)
    assert columns["accuracy.last.mean"][place] == pytest.approx(0.7)
    assert columns["accuracy.last.n"][place] == 2
    assert columns["accuracy.last.sd"][1 - place] is None
    assert columns["task"] == ["Supervised"] * 2


def test_an_experiment_that_was_started_by_two_names_is_one_cell() -> None:
    cells, _ = cell_means([*RUNS, renamed(small_record(bits(7), seed=2), "clean")])
    assert [(len(cell.runs), cell.label.rpartition("-")[0]) for cell in cells] == [
        (3, "digits-supervised-clean")
    ]
