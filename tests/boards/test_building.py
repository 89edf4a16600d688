"""A board's numbers, checked by hand; and what it must not claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import pytest
from support.small_boards import LPA3, TOML, board_of, claim, defined
from support.small_records import bits, changed, elsewhere, small_record

from lpa3bench.boards.board import Cell, Published
from lpa3bench.boards.building import build_board
from lpa3bench.boards.placing import by_cell
from lpa3bench.errors import DataError
from lpa3bench.records import Record
from lpa3bench.records.searches import Searched


def baseline(right: int, seed: int) -> Record:
    return small_record(
        bits(right),
        seed=seed,
        earlier=[0.5],
        identity="0000000a",
        per_class=[right / 10, 0.5],
        config={"Supervised.lr": "0.1", "Supervised.positives_weight": "1.0"},
    )


def method(right: int, seed: int) -> Record:
    return small_record(
        bits(right),
        seed=seed,
        slots=LPA3,
        earlier=[0.9],
        identity="0000000b",
        per_class=[right / 10, 0.25],
        passes=4000,
        seconds=6,
        config={"Supervised.lr": "0.1", "Supervised.positives_weight": "0.5"},
    )


SIX = [baseline(6, 0), baseline(7, 1), baseline(8, 2), method(8, 0), method(8, 1), method(9, 2)]
"""Three pairs: 0.6 → 0.8, 0.7 → 0.8, 0.8 → 0.9; so differences 0.2, 0.1, 0.1."""
CLAIMS = {
    ("none", "digits"): claim("75.0 ± 1.0", "accuracy.last"),
    ("lpa3", "digits"): replace(claim("99.9", "unknown"), n=None),
}


def cell(
    row: str,
    *records: Record,
    text: str = TOML,
    published: Mapping[tuple[str, str], Published] | None = None,
) -> Cell:
    found = board_of(*records, text=text, published=published).cell(row, "digits")
    assert found is not None
    return found


def test_six_records_by_hand() -> None:
    none, lpa3 = cell("none", *SIX), cell("lpa3", *SIX)
    assert (none.n, none.mean, none.seeds, none.scores) == (3, pytest.approx(0.7), (0, 1, 2), (0.6, 0.7, 0.8))
    assert none.std == pytest.approx(0.1)  # √((0.01 + 0 + 0.01) / 2): ddof = 1
    assert (none.low, none.high) == (None, None)  # three runs have no bootstrap interval
    assert none.comparison is None
    assert lpa3.mean == pytest.approx(2.5 / 3)
    assert lpa3.std == pytest.approx(0.05774, abs=1e-5)  # √((2·(1/30)² + (2/30)²) / 2)
    assert (lpa3.seconds, lpa3.passes) == (6, 4000)
    assert lpa3.other_scores["accuracy.oracle_best"] == pytest.approx(0.9)  # (0.9 + 0.9 + 0.9) / 3
    assert lpa3.other_stds["accuracy.oracle_best"] == pytest.approx(0)
    assert lpa3.other_scores["accuracy.mean_last_10"] is None
    assert lpa3.other_scores["seconds_per_step"] == pytest.approx(6 / 20)
    assert lpa3.other_scores["passes_per_step"] == pytest.approx(4000 / 20)
    assert lpa3.curve is not None
    assert (lpa3.curve.epochs, lpa3.curve.passes) == ((1, 2), (2000, 4000))
    assert lpa3.curve.mean == pytest.approx((0.9, 2.5 / 3))
    assert lpa3.records[0] == f"digits-supervised-lpa3-{method(8, 0).identity}-s0.json"


def test_a_claim_is_refused_at_three_pairs() -> None:
    comparison = cell("lpa3", *SIX).comparison
    assert comparison is not None
    assert (comparison.n, comparison.baseline) == (3, "none")
    assert comparison.difference == pytest.approx(0.4 / 3)
    assert comparison.p == comparison.smallest_p == 0.25  # all differences have one sign: 2 / 2³
    assert comparison.verdict == "not testable"
    assert "not testable" in comparison.why


def test_a_claim_is_made_at_eight_pairs_of_one_sign() -> None:
    runs = [baseline(5 + seed % 2, seed) for seed in range(8)]
    runs += [method(7 + seed % 3, seed) for seed in range(8)]
    comparison = cell("lpa3", *runs).comparison
    assert comparison is not None
    assert comparison.p == pytest.approx(2 / 2**8)
    assert comparison.verdict == "better"


def test_comparisons_tell_harm_images_and_what_else_differs() -> None:
    comparison = cell("lpa3", *SIX).comparison
    assert comparison is not None
    assert (comparison.worst_class, comparison.worst_class_difference) == ("1", pytest.approx(-0.25))
    assert (comparison.classes_harmed, comparison.classes) == (1, 2)
    # Images 6, 7 (twice) and 8 are right under the method alone, none under the baseline alone: 2 / 2³.
    assert comparison.per_sample_p == pytest.approx(0.25)
    assert comparison.differs_in == ("Supervised.positives_weight: 1.0 → 0.5",)


def test_what_differs_in_any_pair_counts_not_the_first_alone() -> None:
    """Seed 1 was trained on a GPU by two processes; seeds 0 and 2 as their baselines were."""
    moved = elsewhere(method(8, 1), device="gpu:0", world_size=2)
    comparison = cell("lpa3", *SIX[:4], moved, SIX[5]).comparison
    assert comparison is not None
    assert comparison.differs_in == ("Supervised.positives_weight: 1.0 → 0.5", "device: cpu → gpu")
    assert comparison.surroundings == ("processes: 1 → 2",)


def test_comparisons_hold_the_two_at_equal_cost() -> None:
    """An epoch of the method costs 2000 passes and 3 s; the baseline's two cost 1000 and 2 s."""
    comparison = cell("lpa3", *SIX).comparison
    assert comparison is not None
    passes, seconds = comparison.costs
    assert (passes.axis, passes.method, passes.baseline) == ("passes", 4000, 1000)
    assert (passes.at_baseline_cost.method, passes.at_baseline_cost.n) == (None, 0)
    assert (passes.at_method_cost.spent, passes.at_method_cost.p) == (0.25, None)
    # The method's first epoch has 0.9: all three came to 0.6, 0.7 and 0.8 by it.
    assert (passes.to_target.reached, passes.to_target.method, passes.to_target.ratio) == (3, 2000, 2)
    assert (seconds.axis, seconds.to_target.method, seconds.to_target.ratio) == ("seconds", 3, 1.5)


def with_area(record: Record) -> Record:
    """Areas under the ROC curve of half the accuracies."""
    curve = tuple({**row, "test/macro_auc": row["test/accuracy"] / 2} for row in record.curve)
    accuracy = record.metrics["accuracy"]
    area = msgspec.structs.replace(accuracy, scores={"last": curve[-1]["test/macro_auc"]})
    return changed(record, curve=curve, metrics={"accuracy": accuracy, "macro_auc": area})


def test_a_board_of_areas_draws_areas_and_compares_them_at_equal_cost() -> None:
    of_areas = TOML.replace("accuracy.last", "macro_auc.last")
    lpa3 = cell("lpa3", *map(with_area, SIX), text=of_areas)
    assert lpa3.mean == pytest.approx(2.5 / 6)
    assert lpa3.curve is not None
    assert lpa3.curve.mean == pytest.approx((0.45, 2.5 / 6))
    assert lpa3.comparison is not None
    assert lpa3.comparison.costs[0].to_target.reached == 3
    plain = cell("lpa3", *SIX, text=of_areas)
    assert plain.curve is None


def test_published_numbers_are_tested_by_their_own_measure_alone() -> None:
    none = cell("none", *SIX, published=CLAIMS)
    assert none.reproduction is not None
    # 0.7 ± t(0.975; 2) · 0.1 · √(1/3 + 1/3) = 0.7 ± 4.3027 · 0.08165
    assert none.reproduction.low == pytest.approx(0.7 - 0.35131, abs=1e-4)
    assert none.reproduction.verdict == "reproduced"
    lpa3 = cell("lpa3", *SIX, published=CLAIMS)
    assert lpa3.reproduction is not None
    assert (lpa3.reproduction.verdict, lpa3.reproduction.low) == ("not testable", None)
    assert lpa3.reproduction.why == (
        "not testable: the source does not say which epoch counts; as accuracy.last it would be reproduced, "
        "as accuracy.oracle_best it would be not testable"  # all three are 0.9, so their spread is unknown
    )
    assert cell("none", published=CLAIMS).reproduction is None  # nothing is measured
    assert any("1 published means" in note for note in board_of(*SIX, published=CLAIMS).notes)


def test_missing_cells_are_missing() -> None:
    board = board_of(*SIX[:3])
    lpa3 = board.cell("lpa3", "digits")
    assert lpa3 is not None
    assert (lpa3.n, lpa3.mean, lpa3.std, lpa3.comparison, lpa3.curve) == (0, None, None, None, None)
    assert board.measured == 1
    assert any("1 of 2 planned cells are measured" in note for note in board.notes)


def test_a_measure_that_some_runs_lack_has_no_mean() -> None:
    text = TOML.replace("accuracy.last", "accuracy.mean_last_10")
    long = [small_record(bits(7), seed=seed, earlier=[0.5] * 9) for seed in (0, 1)]
    found = cell("none", *long, text=text)
    assert found.mean == pytest.approx((0.5 * 9 + 0.7) / 10)
    short = cell("none", long[0], small_record(bits(7), seed=1), text=text)
    assert (short.n, short.mean, short.scores) == (2, None, ())
    assert "accuracy.mean_last_10 is undefined in 1 of 2 runs" in short.flags


def test_runs_of_different_experiments_are_never_pooled() -> None:
    other = small_record(bits(7), seed=1, earlier=[0.5], identity="0000000c", config={"Supervised.lr": "0.2"})
    said = f"cannot be pooled .*{SIX[0].identity} and {other.identity} .*Supervised.lr: 0.1 → 0.2"
    with pytest.raises(DataError, match=said):
        board_of(SIX[0], other)


def test_one_run_twice_must_agree() -> None:
    assert cell("none", SIX[0], SIX[0]).n == 1
    with pytest.raises(
        DataError, match=r"contradicts .*metrics.accuracy.last is 0.6 in one and 0.9 in the other"
    ):
        board_of(SIX[0], baseline(9, 0))


def test_other_labels_of_one_kind_are_flagged_and_make_no_pair() -> None:
    strange = small_record(bits(8), seed=1, slots=LPA3, earlier=[0.9], identity="0000000b", labels="c")
    board = board_of(*SIX[:3], method(8, 0), strange, method(9, 2))
    lpa3 = board.cell("lpa3", "digits")
    assert lpa3 is not None
    assert any(
        "seed 1: other labels (cccccccc) than no augmenter's (aaaaaaaa)" in flag for flag in lpa3.flags
    )
    assert lpa3.comparison is not None
    assert lpa3.comparison.n == 2
    assert any("had other labels" in note for note in board.notes)


def test_a_board_tells_where_its_records_lie() -> None:
    assert board_of().results == "results"
    assert board_of(text='records_of = "digits"\n' + TOML).results == "../digits/results"


def test_a_search_is_told() -> None:
    searched = Searched({"trials": 8, "ranges": {"LPA3.margin": []}}, Path("search/x.json"))
    board = build_board(defined(), SIX, {str(method(8, 0)): searched})
    lpa3, none = board.cell("lpa3", "digits"), board.cell("none", "digits")
    assert lpa3 is not None
    assert none is not None
    assert (lpa3.trials, none.trials) == (8, None)
    assert "best of 8 draws of LPA3.margin" in lpa3.flags
    assert any("best of 8 random draws" in note for note in board.notes)


def test_a_board_of_costs_has_ratios_and_claims_nothing() -> None:
    board = board_of(*SIX, text=TOML.replace("accuracy.last", "passes_per_step"))
    lpa3 = board.cell("lpa3", "digits")
    assert lpa3 is not None
    assert (lpa3.mean, lpa3.relative, lpa3.comparison) == (pytest.approx(200), pytest.approx(4), None)
    assert board.ranking is None
    assert not board.measures["passes_per_step"].higher_is_better


@pytest.mark.parametrize("order", [(5, 4, 3, 2, 1, 0), (3, 0, 4, 1, 5, 2)])
def test_the_order_of_records_has_no_say(order: tuple[int, ...]) -> None:
    assert asdict(board_of(*(SIX[place] for place in order))) == asdict(board_of(*SIX))


def test_cells_hold_their_records_by_seed() -> None:
    found = by_cell(defined(), reversed(SIX))
    assert [record.seed for record in found.runs["lpa3", "digits"]] == [0, 1, 2]
