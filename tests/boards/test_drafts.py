"""A board made up for whatever records there are: it has one place for each of them."""

from __future__ import annotations

import pytest
from support.small_boards import LPA3, defined
from support.small_records import NLL, bits, changed, renamed, small_record, within

from lpa3bench.boards.building import build_board
from lpa3bench.boards.drafts import draft
from lpa3bench.boards.placing import by_cell, places
from lpa3bench.errors import DataError
from lpa3bench.records import Record


def labelled(record: Record, kind: str, config: dict[str, str]) -> Record:
    return changed(within(record, "cell", labels=kind), config={**record.config, **config})


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

FEW = {"FewLabels.count": "40"}
STRONG = {"strong": "RandAugment"}
LONG = [0.1] * 4
LIKE_DIGITS = [
    labelled(small_record(bits(5), task="FixMatch", slots=STRONG, setting="labels40"), "FewLabels", FEW),
    labelled(
        small_record(bits(5), task="FixMatch", slots=STRONG, setting="equal_cost", earlier=LONG),
        "FewLabels",
        FEW,
    ),
    labelled(
        small_record(bits(6), task="FixMatch", slots={**STRONG, **LPA3}, setting="labels40"), "FewLabels", FEW
    ),
    small_record(bits(5)),
    small_record(bits(5), setting="equal_cost", earlier=LONG),
    labelled(small_record(bits(5), setting="labels40", earlier=LONG * 2), "FewLabels", FEW),
    small_record(bits(6), slots=LPA3),
    small_record(bits(6), slots={"view": "CutMix"}, dataset="Other"),
]


def test_every_record_has_one_place_and_no_experiments_share_one() -> None:
    board = defined(draft(RECORDS, "Mine"))
    assert all(len(places(board, record)) == 1 for record in RECORDS)
    cells = by_cell(board, RECORDS)  # raises where two experiments share a cell
    assert sorted(len(runs) for runs in cells.runs.values()) == [1] * 7 + [2]


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


def test_the_metric_that_most_runs_select_by_comes_first_and_the_others_stand_beside_it() -> None:
    loss = small_record(bits(5), task="A", metric="nll", kind=NLL, last=1.5)
    board = defined(draft([loss, *RECORDS], "Mine"))
    assert (board.metric, board.also) == ("accuracy.last", ("accuracy.oracle_best", "nll.last"))
    alone = defined(draft([loss], "Mine"))
    assert (alone.metric, alone.also) == ("nll.last", ("nll.oracle_best",))


@pytest.mark.parametrize("names", [("margin", "ratio"), ("margin", "iterations", "ratio", "lam")])
def test_sweeps_over_several_parameters_have_a_row_a_point(names: tuple[str, ...]) -> None:
    """Each with a name and a key of its own, however many of them differ."""
    middle = {f"LPA3.{name}": "1" for name in names}
    points = [middle, *({**middle, f"LPA3.{name}": "2"} for name in names)]
    records = [
        small_record(bits(5), identity="0000000f"),
        *(
            small_record(bits(6), identity=f"0000000{place}", slots=LPA3, config=point)
            for place, point in enumerate(points)
        ),
    ]
    board = defined(draft(records, "Sweep"))
    assert len({row.key for row in board.rows}) == len(board.rows) == 1 + len(points)
    assert len(by_cell(board, records).runs) == len(records)
    assert {row.baseline for row in board.rows if row.key != board.rows[0].key} == {board.rows[0].key}


def test_runs_of_two_numerics_versions_have_rows_of_their_own() -> None:
    records = [
        within(small_record(bits(5), slots=slots), "identity", numerics=version)
        for slots in (None, LPA3)
        for version in (1, 2)
    ]
    board = defined(draft(records, "Two"))
    assert len(by_cell(board, records).runs) == 4
    assert sum("numerics = 1" in row.name for row in board.rows) == 2
    baselines = {row.name: row.baseline for row in board.rows if "LPA3" in row.name}
    assert len({*baselines.values()}) == 2, "each is compared with that of its own version"


def test_runs_that_differ_in_nothing_else_are_told_apart_by_identity() -> None:
    records = [small_record(bits(5), identity="00000001"), small_record(bits(6), identity="00000002")]
    board = defined(draft(records, "Two"))
    assert len(by_cell(board, records).runs) == 2
    assert [row.name for row in board.rows] == [
        f"Supervised (identity = {identity})" for identity in sorted(record.identity for record in records)
    ]


def test_the_order_of_records_has_no_say() -> None:
    assert draft(RECORDS[::-1], "Mine") == draft(RECORDS, "Mine")
    assert draft(LIKE_DIGITS[::-1], "Mine") == draft(LIKE_DIGITS, "Mine")


def test_what_is_compared_is_alike_but_for_its_augmenter() -> None:
    """Not with the row of equal cost, whose name comes first: it differs in its epochs as well."""
    board = defined(draft(LIKE_DIGITS, "Mine"))
    names = {row.key: row.name for row in board.rows}
    assert {row.name: names.get(row.baseline or "") for row in board.rows} == {
        "FixMatch + RandAugment (strong) (labels40)": None,
        "FixMatch + RandAugment (strong) (equal_cost)": "FixMatch + RandAugment (strong) (labels40)",
        "FixMatch + LPA3 + RandAugment (strong)": "FixMatch + RandAugment (strong) (labels40)",
        "Supervised (labels40, none)": None,
        "Supervised (equal_cost)": "Supervised (labels40, none)",
        "Supervised + LPA3": "Supervised (labels40, none)",
        "Supervised + CutMix (view)": None,  # the plain rows have no column in common with it
    }
    cells = build_board(board, LIKE_DIGITS, {}).cells
    differ = {names[cell.row]: cell.comparison.differs_in for cell in cells if cell.comparison}
    assert len(differ) == 4
    for name, settings in differ.items():
        assert settings == (("run.epochs: 1 → 5",) if "equal_cost" in name else ()), name


def test_the_nearest_of_several_baselines_is_taken() -> None:
    """Two learning rates, each with and without: like is set beside like, whichever comes first."""
    rates = [
        small_record(bits(5), identity=f"0000000{place}", slots=slots, config={"Supervised.lr": rate})
        for place, (rate, slots) in enumerate([("0.1", {}), ("0.3", {}), ("0.1", LPA3), ("0.3", LPA3)])
    ]
    board = defined(draft(rates, "Mine"))
    plain, lpa3 = "Supervised (Supervised.lr = {})", "Supervised + LPA3 (Supervised.lr = {})"
    names = {row.key: row.name for row in board.rows}
    baselines = {row.name: names.get(row.baseline or "") for row in board.rows}
    assert [baselines[lpa3.format(rate)] for rate in (0.1, 0.3)] == [plain.format(0.1), plain.format(0.3)]


def test_a_row_is_planned_where_it_has_records() -> None:
    board = defined(draft(LIKE_DIGITS, "Mine"))
    cells = by_cell(board, LIKE_DIGITS).runs
    assert {(row.key, column.key) for row, column in board.planned()} == cells.keys()
    assert len(cells) == len(LIKE_DIGITS) < len(board.rows) * len(board.columns)


def test_names_that_toml_must_quote_come_through() -> None:
    record = small_record(bits(5), dataset='a "b" \\ c', name="odd", slots={"positives": 'My"Aug'})
    board = defined(draft([record], 'The "title"\n'))
    assert board.title == 'The "title"'
    assert len(places(board, record)) == 1


def test_no_records_make_no_board() -> None:
    with pytest.raises(DataError, match="no record"):
        draft([], "Mine")


def test_a_parameter_that_came_later_makes_no_row_of_its_own() -> None:
    """Records from before it are of the same experiment, and have no value of it."""
    older, newer = (small_record(bits(5), identity="00000001", seed=seed) for seed in range(2))
    newer = changed(newer, config={**newer.config, "Digits.split": "0"})
    board = defined(draft([older, newer], "Mine"))
    assert len(board.rows) == 1
    assert [len(places(board, record)) for record in (older, newer)] == [1, 1]


def test_an_experiment_that_was_started_by_two_names_has_one_row() -> None:
    longer = small_record(bits(5), setting="equal_cost", earlier=LONG)
    plain = [small_record(bits(5)), renamed(small_record(bits(6), seed=1), "clean")]
    board = defined(draft([*plain, longer], "Mine"))
    assert [row.name for row in board.rows] == ["Supervised (clean, none)", "Supervised (equal_cost)"]
    assert sorted(len(runs) for runs in by_cell(board, [*plain, longer]).runs.values()) == [1, 2]
    assert [row.name for row in defined(draft(plain, "Mine")).rows] == ["Supervised"]


def test_a_row_says_by_which_policy_all_of_its_runs_went() -> None:
    flex = {"FixMatch.policy": "@policies.FlexMatch()"}
    runs = [
        small_record(bits(5), task="FixMatch", config=flex, identity="1"),
        small_record(bits(5), task="FixMatch"),
    ]
    assert [row.name for row in defined(draft(runs[:1], "Mine")).rows] == ["FixMatch (FlexMatch)"]
    both = [row.name for row in defined(draft(runs, "Mine")).rows]
    assert both == ["FixMatch (FixMatch.policy = @policies.FlexMatch())", "FixMatch (FixMatch.policy = none)"]
