"""What boards can be of; and that nothing on the way to a verdict takes more for better."""

from __future__ import annotations

import msgspec
import pytest
from support.small_boards import LPA3, TOML, board_of
from support.small_records import NLL, bits, changed, small_record

from lpa3bench.boards.board import Board
from lpa3bench.boards.comparison import compare
from lpa3bench.boards.measures import (
    chosen_measure,
    is_cost,
    measure_of,
    measured_value,
    metric_of,
    problem_of,
    score_keys,
    with_rule,
)
from lpa3bench.boards.selection import Group
from lpa3bench.errors import UsageError
from lpa3bench.records import Record
from lpa3bench.report.board_files import BOARD_FILES

OF_LOSSES = TOML.replace("accuracy.last", "nll.last")
TWO_COLUMNS = (
    OF_LOSSES
    + """
[[columns]]
key = "fashion"
name = "Fashion"
match = { dataset = "FashionMNIST" }
"""
)


def loss(last: float, seed: int = 0, *, lpa3: bool = False, dataset: str = "Digits") -> Record:
    """A run that ends with that loss, after one of 3 nats; LP-A3's cost twice as much."""
    return small_record(
        bits(5), seed=seed, slots=LPA3 if lpa3 else None, dataset=dataset, metric="nll", kind=NLL,
        earlier=[3.0], last=last, passes=2000 if lpa3 else 1000,
    )  # fmt: skip


def losses(ours: float, theirs: float, pairs: int = 6) -> list[Record]:
    return [
        loss(end, seed, lpa3=lpa3) for seed in range(pairs) for lpa3, end in ((True, ours), (False, theirs))
    ]


# -------------------------------------------------------------------------------------------------- measures
def test_a_measure_is_what_the_records_say_of_their_metric() -> None:
    of = measure_of("nll.oracle_best", [small_record(bits(5)), loss(1.5)])
    assert (of.name, of.unit) == ("negative log-likelihood, best on test", "nats")
    assert of.text.startswith("Negative log-likelihood on the test set, at the epoch where it is best: ")
    assert (of.higher_is_better, of.counts, of.is_cost) == (False, False, False)
    accuracy = measure_of("accuracy.last", [small_record(bits(5))])
    assert (accuracy.name, accuracy.unit) == ("accuracy, last epoch", "%")
    assert (accuracy.higher_is_better, accuracy.counts) == (True, True)


def test_a_measure_that_no_record_has_is_taken_for_a_share() -> None:
    """Boards of published numbers alone have no record yet."""
    of = measure_of("macro_auc.val_selected", [])
    assert (of.name, of.unit) == ("macro AUC, selected on validation", "%")
    assert (of.higher_is_better, of.counts) == (True, False)


def test_names_of_measures() -> None:
    assert (metric_of("nll.last"), metric_of("seconds_per_step")) == ("nll", "seconds_per_step")
    assert with_rule("nll.last", "oracle_best") == "nll.oracle_best"
    assert [is_cost(key) for key in ("passes_per_step", "accuracy.last")] == [True, False]
    assert [problem_of(key) for key in ("accuracy.last", "a_b_3.oracle_best", "seconds_per_step")] == [
        None
    ] * 3
    assert problem_of("last") == (
        "last is no measure; write <metric>.<rule>, such as accuracy.last, or seconds_per_step or "
        "passes_per_step"
    )
    assert problem_of("nll.best") == (
        "best is no rule; there are last, mean_last_10, mean_last_20, median_last_20, val_selected, "
        "oracle_best"
    )
    for strange in (".last", "accuracy.", "."):
        assert problem_of(strange), strange


def test_the_selecting_metric_is_chosen_where_none_is_named() -> None:
    records = [loss(1.5), small_record(bits(5))]
    assert chosen_measure(None, records).key == "nll.last"
    assert chosen_measure("accuracy.last", records).key == "accuracy.last"
    assert chosen_measure("passes_per_step", records).is_cost
    assert [key for key in score_keys(records) if key.endswith("oracle_best")] == [
        "nll.oracle_best", "accuracy.oracle_best",
    ]  # fmt: skip
    with pytest.raises(
        UsageError, match=r"^--metric kappa.last: none of the records has it; .* metrics are nll, "
    ):
        chosen_measure("kappa.last", records)


def test_a_rule_of_tomorrow_can_be_asked_for_if_a_record_has_it() -> None:
    nll = loss(1.5).metrics["nll"]
    record = changed(
        loss(1.5), metrics={"nll": msgspec.structs.replace(nll, scores={"last": 1.5, "first": 3.0})}
    )
    of = chosen_measure("nll.first", [record])
    assert (of.key, of.name, of.higher_is_better) == ("nll.first", "negative log-likelihood, first", False)
    assert measured_value(record, "nll.first") == 3.0
    cell = board(record).cell("none", "digits")
    assert cell
    assert cell.other_scores["nll.first"] == 3.0


def test_costs_are_of_a_step() -> None:
    record = small_record(bits(5), earlier=[0.1], passes=400.0, seconds=8.0)
    assert (measured_value(record, "passes_per_step"), measured_value(record, "seconds_per_step")) == (
        20.0,
        0.4,
    )
    idle = changed(record, cost=msgspec.structs.replace(record.data.cost, steps={"train": 0}))
    assert measured_value(idle, "passes_per_step") is None
    assert measured_value(record, "accuracy.last") == 0.5
    assert measured_value(record, "nll.last") is None


# ------------------------------------------------------------------------------------------- lower is better
def board(*records: Record, text: str = OF_LOSSES) -> Board:
    return board_of(*records, text=text)


@pytest.mark.parametrize(("ours", "theirs", "verdict"), [(1.0, 1.5, "better"), (1.5, 1.0, "worse")])
def test_a_lower_loss_is_the_better_one(ours: float, theirs: float, verdict: str) -> None:
    """Six pairs with one sign: p = 2/2⁶."""
    cell = board(*losses(ours, theirs)).cell("lpa3", "digits")
    assert cell
    assert (cell.mean, cell.scores) == (ours, (ours,) * 6)
    comparison = cell.comparison
    assert comparison
    assert (comparison.difference, comparison.p) == (ours - theirs, 0.03125)
    assert (comparison.verdict, comparison.why) == (verdict, f"{verdict}: p = 0.031, 6 pairs")
    for cost in comparison.costs:
        assert cost.to_target.reached == (6 if verdict == "better" else 0)
    assert cell.curve
    assert cell.curve.mean == (3.0, ours)


def test_at_equal_cost_the_target_is_come_down_to() -> None:
    """The baseline ends with 1.5 after 1000 passes; the method has 3 after as many, and 1 after 2000."""
    cell = board(*losses(1.0, 1.5)).cell("lpa3", "digits")
    assert cell
    assert cell.comparison
    to = cell.comparison.costs[0].to_target
    assert (to.reached, to.method, to.baseline, to.ratio) == (6, 2000.0, 1000.0, 2.0)
    at = cell.comparison.costs[0].at_baseline_cost
    assert (at.method, at.baseline, at.difference) == (3.0, 1.5, 1.5), "after its first epoch"


def test_the_lowest_mean_ranks_first_and_its_difference_keeps_its_sign() -> None:
    records = [
        loss(end, lpa3=lpa3, dataset=dataset)
        for dataset in ("Digits", "FashionMNIST")
        for lpa3, end in ((True, 0.5), (False, 0.75))
    ]
    ranking = board(*records, text=TWO_COLUMNS).ranking
    assert ranking
    assert (ranking.rows, ranking.mean_ranks) == (("lpa3", "none"), (1.0, 2.0))
    assert [(pair.a, pair.b, pair.difference) for pair in ranking.pairs] == [("lpa3", "none", -0.25)]


def test_two_methods_are_compared_by_a_loss() -> None:
    runs = losses(1.0, 1.5)
    ours, theirs = (
        Group(first=side[0], paths=tuple(record.path for record in side)) for side in (runs[::2], runs[1::2])
    )
    for group, side in ((ours, runs[::2]), (theirs, runs[1::2])):
        group.__dict__["records"] = tuple(side)  # as if they had been read
    (cell,) = compare([ours], [theirs]).cells
    assert (cell.test.verdict, cell.test.difference) == ("better", -0.5)
    assert cell.costs[0].to_target.ratio == 2.0


def test_pages_of_a_board_of_losses_are_made() -> None:
    made = {name: make(board(*losses(1.25, 1.5))) for name, make in BOARD_FILES.items()}
    assert "nats" in made["README.md"]
    assert "1.25" in made["README.md"]
    assert "125" not in made["README.md"], "it is no share"
    for text in made.values():
        assert "1.25" in text
