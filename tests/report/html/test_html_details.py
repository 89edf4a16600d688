"""What a cell's page tells of its records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support.made_up_boards import board, record

from lpa3bench.boards.board import Board
from lpa3bench.report.html.details import Section, cell_details, flattened


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
    assert config.differing == (("positives/LPA3.margin", ((0, "0.02"), (1, "0.03"))),)
    labels = section(made, "Labels")
    assert labels.differing == (("sha256", ((0, "0" * 64), (1, "1" * 64))),)
    environment = dict(section(made, "Environment").shared)
    assert environment["versions.torch"] == "2.14.1"
    assert dict(section(made, "Environment").differing)["command"][1] == (
        1,
        "lpa3bench run digits -p run.seed=1",
    )


def test_what_a_record_lacks_is_said_to_be_absent() -> None:
    lacking = record(1, 0.8)
    del lacking["config"]["run.task"]
    made = with_records(a=record(0, 0.9), b=lacking)
    assert dict(section(made, "Config").differing)["run.task"] == ((0, "@tasks.Supervised()"), (1, "absent"))


def test_runs_keep_their_metrics_apart() -> None:
    made = with_records(**{"x-s0.json": record(0, 0.9), "x-s1.json": record(1, 0.8)})
    found = cell_details(made, made.cells[0])
    assert found.metrics == ("last", "mean_last_10", "val_selected", "oracle_best")
    assert [run.metrics[:2] for run in found.runs] == [(0.9, None), (0.8, None)]
    assert found.prefix == "x"
    assert found.per_class[0] is not None
    assert abs(found.per_class[0] - 0.85) < 1e-12


def test_what_is_nested_is_named_by_their_path() -> None:
    long = {"matrix": [[1, 2], [3, 4], [5, 6]], "list": [0.5] * 100}
    assert dict(flattened(long)) == {
        "matrix": "3 × 2 numbers, in the record",
        "list": "100 values, in the record",
    }
    nested = {"a": {"b": 1, "c": [1.5, None]}, "d": True, "command": ["x", "y z"]}
    assert [*flattened(nested)] == [("a.b", "1"), ("a.c", "1.5; none"), ("d", "yes"), ("command", "x 'y z'")]
