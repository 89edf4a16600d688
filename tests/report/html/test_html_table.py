"""What stands in the places of a board's tables, and in a cell's details."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support.made_up_boards import board, record

from lpa3bench.boards.board import Board
from lpa3bench.report.html.details import Section, details, leaves
from lpa3bench.report.html.tables import Place, Table, table, tables


def main() -> Table:
    return tables(board())[0]


def place(of: Table, row: str, column: str, kind: str) -> Place:
    methods = {method.row.key: method for _, methods in of.bodies for method in methods}
    order = [(heading.column.key, kind) for heading in of.headings for kind in heading.kinds]
    return methods[row].places[order.index((column, kind))]


def test_a_column_without_claims_has_no_place_for_them() -> None:
    assert [heading.kinds for heading in main().headings] == [
        ("claimed", "measured"),
        ("measured",),
        ("claimed", "measured"),
    ]
    assert main().width == 7
    assert main().groups == (("CIFAR-10", 3), ("STL-10", 2))


def test_coverage_counts_planned_cells() -> None:
    methods = {method.row.key: method for _, methods in main().bodies for method in methods}
    assert (methods["fixmatch"].measured, methods["fixmatch"].planned) == (2, 3)
    assert (methods["infomin"].measured, methods["infomin"].planned) == (0, 1)
    assert [(h.measured, h.planned) for h in main().headings] == [(3, 3), (3, 3), (0, 4)]


def test_the_best_is_that_of_its_kind_and_claims_of_other_measures_have_none() -> None:
    assert place(main(), "fixmatch-lpa3", "c40", "measured").best
    assert not place(main(), "fixmatch", "c40", "measured").best
    assert not place(main(), "fixmatch", "c40", "claimed").best, "claimed of another epoch than the other"
    assert not place(main(), "fixmatch-lpa3", "stl", "claimed").best, "nothing comparable beside it"


def test_claims_of_other_quantities_are_never_the_best() -> None:
    made = board()
    cells = tuple(
        replace(c, published=replace(c.published, metric="none")) if c.published else c for c in made.cells
    )
    found = tables(replace(made, cells=cells))[0]
    assert not any(p.best for method in found.methods for p in method.places if p.kind == "claimed")
    assert not place(found, "fixmatch-lpa3", "stl", "claimed").best


def test_lowest_is_best_where_lower_is_better() -> None:
    made = board()
    cells = tuple(
        replace(c, other_scores={"seconds_per_step": 0.01 * (number + 1)}) if c.n else c
        for number, c in enumerate(made.cells)
    )
    seconds = table(replace(made, cells=cells), made.measures["seconds_per_step"])
    assert place(seconds, "fixmatch", "c40", "measured").best
    assert seconds.decimals == 4
    assert not seconds.main


def test_what_is_missing_says_why() -> None:
    assert place(main(), "fixmatch", "stl", "measured").remark == "not measured"
    assert place(main(), "infomin", "c40", "measured").remark == "not planned"
    assert place(main(), "randaugment", "c40", "claimed").remark == "no published number"
    undefined = replace(board(), cells=(replace(board().cells[0], mean=None, flags=("5 epochs only",)),))
    there = place(tables(undefined)[0], "fixmatch", "c40", "measured")
    assert (there.value, there.remark) == (None, "this measure is undefined for these runs; 5 epochs only")


def test_claims_of_another_measure_are_marked_and_stand_in_its_table_too() -> None:
    assert (
        place(main(), "fixmatch-lpa3", "c40", "claimed").remark
        == "The claim is of another measure: best on test."
    )
    assert place(main(), "fixmatch", "c40", "claimed").remark == ""
    remark = place(main(), "infomin", "stl", "claimed").remark
    assert remark.startswith("The claim is another quantity")
    assert remark.endswith("compared. another read-out")
    oracle = tables(board())[1]
    assert place(oracle, "fixmatch-lpa3", "c40", "claimed").value == 0.9239
    assert place(oracle, "fixmatch", "c40", "claimed").value is None


def test_remarks_have_letters_and_plain_ones_have_none() -> None:
    letters = main().letters
    assert [*letters.values()] == ["a", "b"]
    assert "not measured" not in letters


def test_long_notes_stand_below_and_what_holds_for_all_claims_of_a_row_is_said_once() -> None:
    made = board()
    claim = replace(made.cells[3].published, metric="unknown")  # type: ignore[type-var]
    cells = tuple(replace(c, published=claim) if c.row == "fixmatch-lpa3" else c for c in made.cells)
    long = "A note that is so long that it would make its column wide."
    columns = (replace(made.columns[0], note=long), *made.columns[1:])
    rows = (replace(made.rows[0], note="short"), replace(made.rows[1], note=long), *made.rows[2:])
    found = table(replace(made, cells=cells, columns=columns, rows=rows), made.measures["last"])
    assert (found.headings[0].note, found.headings[0].remark) == ("", long)
    plain, noted = found.methods[:2]
    assert (plain.note, plain.remarks) == ("short", ())
    assert noted.remarks == (long, "The source does not tell which epoch's number is claimed.")
    assert [p.remark for p in noted.places if p.kind == "claimed" and p.value] == [""] * 3
    assert [*found.letters][:2] == [long, "The source does not tell which epoch's number is claimed."]


def test_tables_without_a_number_are_left_out_but_the_first() -> None:
    nothing = replace(board(), cells=tuple(replace(board().cells[2], row=row.key) for row in board().rows))
    assert [one.measure.key for one in tables(nothing)] == ["last"]
    assert [one.measure.key for one in tables(board())] == ["last", "oracle_best"]


# ------------------------------------------------------------------------------------------------- details
def with_records(**records: dict[str, Any]) -> Board:
    made = board()
    only = replace(made.cells[0], records=tuple(records), seeds=(0, 1), scores=(0.9, 0.8), n=2)
    return replace(made, cells=(only,), records=records)


def section(made: Board, title: str) -> Section:
    return next(part for part in details(made, made.cells[0]).sections if part.title == title)


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
    found = details(made, made.cells[0])
    assert found.metrics == ("last", "mean_last_10", "val_selected", "oracle_best")
    assert [run.metrics[:2] for run in found.runs] == [(0.9, None), (0.8, None)]
    assert found.prefix == "x"
    assert found.per_class[0] is not None
    assert abs(found.per_class[0] - 0.85) < 1e-12


def test_leaves_are_named_by_their_path() -> None:
    long = {"matrix": [[1, 2], [3, 4], [5, 6]], "list": [0.5] * 100}
    assert dict(leaves(long)) == {
        "matrix": "3 × 2 numbers, in the record",
        "list": "100 values, in the record",
    }
    nested = {"a": {"b": 1, "c": [1.5, None]}, "d": True, "command": ["x", "y z"]}
    assert [*leaves(nested)] == [("a.b", "1"), ("a.c", "1.5; none"), ("d", "yes"), ("command", "x 'y z'")]
