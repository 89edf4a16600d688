"""The model of a board's table: what stands in each place, and why where nothing does."""

from __future__ import annotations

from dataclasses import replace

from support.made_up_boards import board

from lpa3bench.boards.board import Published
from lpa3bench.report.table import ResultCell, ResultTable
from lpa3bench.report.table_building import result_table, result_tables


def main() -> ResultTable:
    return result_tables(board())[0]


def cell(table: ResultTable, row: str, column: str) -> ResultCell | None:
    """None where nothing is planned."""
    rows = {found.row.key: found for found in table.rows}
    return rows[row].cells[[found.column.key for found in table.columns].index(column)]


def known(table: ResultTable, row: str, column: str) -> ResultCell:
    found = cell(table, row, column)
    assert found is not None
    return found


def best_claims(table: ResultTable) -> list[str]:
    cells = (found for row in table.rows for found in row.known)
    return [
        f"{found.cell.row} {found.cell.column}" for found in cells if found.claimed and found.claimed.best
    ]


def test_a_column_without_claims_has_no_place_for_them() -> None:
    assert [column.claims for column in main().columns] == [True, False, True]
    widths = [(group, sum(column.width for column in under)) for group, under in main().spans]
    assert widths == [("CIFAR-10", 3), ("STL-10", 2)]


def test_coverage_counts_planned_cells() -> None:
    rows = {row.row.key: row for row in main().rows}
    assert (rows["fixmatch"].measured, rows["fixmatch"].claimed, rows["fixmatch"].planned) == (2, 1, 3)
    assert (rows["infomin"].measured, rows["infomin"].claimed, rows["infomin"].planned) == (0, 1, 1)
    assert [(column.measured, column.planned) for column in main().columns] == [(3, 3), (3, 3), (0, 4)]


def test_a_measured_cell_has_its_parts_as_a_reader_sees_them() -> None:
    found = known(main(), "fixmatch-lpa3", "c250")
    assert found.measured is not None
    assert (found.measured.mean, found.measured.std, found.measured.n) == ("94.20", "0.16", 5)
    assert (found.measured.trials, found.measured.ratio) == (20, "")
    assert found.against is not None
    assert (found.against.difference, found.against.interval) == ("−1.10", "[−1.50, −0.70]")
    assert found.against.comparison.verdict == "worse"
    untested = known(main(), "randaugment", "c40").against
    assert untested is not None
    assert untested.p == "smallest p 0.25"


def test_a_claim_stands_as_it_was_printed() -> None:
    found = known(main(), "infomin", "stl").claimed
    assert found is not None
    assert (found.claim.printed_mean, found.claim.printed_std) == ("86.0", "")
    verdict = known(main(), "fixmatch-lpa3", "c40").reproduction
    assert verdict is not None
    assert verdict.verdict == "not reproduced"


def test_the_best_is_that_of_its_kind_and_claims_of_other_measures_have_none() -> None:
    better, worse = known(main(), "fixmatch-lpa3", "c40"), known(main(), "fixmatch", "c40")
    assert better.measured is not None
    assert worse.measured is not None
    assert (better.measured.best, worse.measured.best) == (True, False)
    assert best_claims(main()) == [], "claimed of another epoch than the other, or with nothing beside it"


def test_claims_of_other_quantities_are_never_the_best() -> None:
    made = board()
    cells = tuple(
        replace(c, published=replace(c.published, metric="none")) if c.published else c for c in made.cells
    )
    assert best_claims(result_tables(replace(made, cells=cells))[0]) == []


def test_lowest_is_best_where_lower_is_better_and_costs_have_their_ratio() -> None:
    made = board()
    cells = tuple(
        replace(
            c, other_scores={"seconds_per_step": 0.01 * (number + 1)}, other_stds={"seconds_per_step": 2.0}
        )
        if c.n
        else c
        for number, c in enumerate(made.cells)
    )
    seconds = result_table(replace(made, cells=cells), "seconds_per_step")
    first, other = (known(seconds, row, "c40").measured for row in ("fixmatch", "fixmatch-lpa3"))
    assert first is not None
    assert other is not None
    assert (first.mean, first.std, first.ratio, first.best) == ("0.0100", "2.00", "", True)
    assert (other.mean, other.ratio, other.best) == ("0.0400", "4.00", False)
    assert (seconds.main, seconds.ratios, main().ratios) == (False, True, False)


def test_what_is_missing_says_why() -> None:
    assert known(main(), "fixmatch", "stl").missing == "not measured"
    assert cell(main(), "infomin", "c40") is None
    assert known(main(), "randaugment", "c40").claimed is None
    undefined = replace(board(), cells=(replace(board().cells[0], mean=None, flags=("5 epochs only",)),))
    there = known(result_tables(undefined)[0], "fixmatch", "c40")
    assert there.measured is None
    assert there.missing == "this measure is undefined for these runs; 5 epochs only"


def test_claims_of_another_measure_are_marked_and_stand_in_its_table_too() -> None:
    marked, plain = (known(main(), row, "c40").claimed for row in ("fixmatch-lpa3", "fixmatch"))
    assert marked is not None
    assert plain is not None
    assert marked.of_another == marked.remark == "The claim is of another measure: best on test."
    assert (plain.of_another, plain.remark) == ("", "")
    other = known(main(), "infomin", "stl").claimed
    assert other is not None
    assert other.remark == f"{other.of_another} another read-out"
    assert other.of_another.startswith("The claim is another quantity")
    assert main().signs == {marked.of_another: "†", other.of_another: "‡"}
    oracle = result_tables(board())[1]
    there = known(oracle, "fixmatch-lpa3", "c40").claimed
    assert there is not None
    assert (there.claim.mean, there.of_another) == (0.9239, "")
    assert known(oracle, "fixmatch", "c40").claimed is None


def test_remarks_have_letters_and_plain_ones_have_none() -> None:
    assert [*main().letters.values()] == ["a", "b"]
    assert "not measured" not in main().letters


def test_long_notes_stand_below_and_what_holds_for_all_claims_of_a_row_is_said_once() -> None:
    made = board()
    claim = made.cells[3].published
    assert isinstance(claim, Published)
    unknown = replace(claim, metric="unknown")
    cells = tuple(replace(c, published=unknown) if c.row == "fixmatch-lpa3" else c for c in made.cells)
    long = "A note that is so long that it would make its column wide."
    columns = (replace(made.columns[0], note=long), *made.columns[1:])
    rows = (replace(made.rows[0], note="short"), replace(made.rows[1], note=long), *made.rows[2:])
    found = result_table(replace(made, cells=cells, columns=columns, rows=rows), "last")
    assert (found.columns[0].note, found.columns[0].remark) == ("", long)
    plain, noted = found.rows[:2]
    assert (plain.note, plain.remarks) == ("short", ())
    assert noted.remarks == (long, "The source does not tell which epoch's number is claimed.")
    assert [c.claimed.remark for c in noted.known if c.claimed] == [""] * 3
    assert [*found.letters][:2] == [long, "The source does not tell which epoch's number is claimed."]


def test_tables_without_a_number_are_left_out_but_the_first() -> None:
    nothing = replace(board(), cells=tuple(replace(board().cells[2], row=row.key) for row in board().rows))
    assert [one.measure.key for one in result_tables(nothing)] == ["last"]
    assert [one.measure.key for one in result_tables(board())] == ["last", "oracle_best"]
