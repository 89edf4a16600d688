"""Curves against cost, and two methods at equal cost."""

from __future__ import annotations

import pytest
from support.small_records import NLL, bits, changed, small_record, within

from lpa3bench.records import Record
from lpa3bench.records.slim import Slimmer
from lpa3bench.stats import (
    AXES,
    Pair,
    cost_to_reach,
    equal_cost,
    mean_curve,
    score_at,
    total_cost,
)


def run(last: int, *earlier: float, seed: int = 0, passes: float = 1000.0, seconds: float = 2.0) -> Record:
    return small_record(bits(last), seed=seed, earlier=earlier, passes=passes, seconds=seconds)


CHEAP = run(6, 0.2, 0.5, 0.6, passes=400.0, seconds=4.0)
"""0.2, 0.5, 0.6, 0.6 at 100, 200, 300, 400 passes, a second an epoch."""
DEAR = run(9, 0.4, 0.6, 0.8, passes=1200.0, seconds=6.0)
"""0.4, 0.6, 0.8, 0.9 at 300, 600, 900, 1200 passes."""


def test_a_score_at_a_budget_is_the_last_one_within() -> None:
    assert [score_at(CHEAP, "passes", budget, "accuracy") for budget in (99, 100, 250, 300, 5000)] == [
        None, 0.2, 0.5, 0.6, 0.6,
    ]  # fmt: skip
    assert (total_cost(CHEAP, "passes"), total_cost(DEAR, "seconds")) == (400.0, 6.0)


def test_a_curve_has_the_epochs_that_were_scored() -> None:
    """Every second of three, and the last."""
    whole = run(6, 0.2, 0.5, passes=300.0, seconds=3.0)
    first = {name: value for name, value in whole.curve[0].items() if name != "test/accuracy"}
    record = within(whole, "protocol", score_every=2)
    record = changed(record, curve=(first, *whole.curve[1:]))
    curve = mean_curve([record, Slimmer()(record)], "accuracy")
    assert curve is not None
    assert (curve.epochs, curve.passes, curve.mean) == ((2, 3), (200.0, 300.0), (0.5, 0.6))
    assert [score_at(record, "passes", budget, "accuracy") for budget in (150, 200)] == [None, 0.5]
    assert mean_curve([changed(whole, curve=(first, *whole.curve[1:]))], "accuracy") is None


def test_the_cost_to_reach_a_score_is_that_of_the_first_epoch_that_has_it() -> None:
    def costs(*targets: float, higher_is_better: bool) -> list[float | None]:
        return [
            cost_to_reach(CHEAP, "passes", target, "accuracy", higher_is_better=higher_is_better)
            for target in targets
        ]

    assert costs(0.1, 0.5, 0.6, 0.7, higher_is_better=True) == [100.0, 200.0, 300.0, None]
    assert costs(0.1, 0.2, 0.6, higher_is_better=False) == [None, 100.0, 100.0]


def test_the_dear_method_against_the_cheap_one() -> None:
    """It wins at the end, and loses at what the cheap one cost: one epoch of it, 0.4, against 0.6."""
    found = equal_cost([Pair(method=DEAR, baseline=CHEAP)], "passes", "accuracy")
    assert found
    assert (found.method, found.baseline) == (1200.0, 400.0)
    at = found.at_baseline_cost
    assert (at.budget, at.method, at.baseline) == (400.0, 0.4, 0.6)
    assert (at.difference, at.p) == (pytest.approx(-0.2), 1.0)
    at = found.at_method_cost
    assert (at.budget, at.spent) == (1200.0, pytest.approx(1 / 3))
    assert (at.method, at.baseline, at.n, at.p) == (None, None, 0, None), (
        "it ended by itself at a third of that"
    )
    to = found.to_target
    assert (to.n, to.reached, to.method, to.baseline, to.ratio) == (1, 1, 600.0, 300.0, 2.0)


def test_the_other_axis_may_say_otherwise() -> None:
    found = equal_cost([Pair(method=DEAR, baseline=CHEAP)], "seconds", "accuracy")
    assert found
    assert (found.at_baseline_cost.budget, found.at_baseline_cost.method) == (4.0, 0.6)
    assert (found.to_target.method, found.to_target.baseline, found.to_target.ratio) == (3.0, 3.0, 1.0)


def test_a_target_that_is_never_reached() -> None:
    found = equal_cost([Pair(method=CHEAP, baseline=DEAR)], "passes", "accuracy")
    assert found
    to = found.to_target
    assert (to.n, to.reached, to.method, to.baseline, to.ratio) == (1, 0, None, 1200.0, None)


def test_medians_count_the_runs_that_never_came_there() -> None:
    """Ratios 2, never, 4: the median is 4. With one more that never came it would be none."""
    pairs = [
        Pair(method=DEAR, baseline=CHEAP),
        Pair(method=CHEAP, baseline=DEAR),
        Pair(method=run(6, 0.1, 0.2, 0.3, passes=1200.0), baseline=CHEAP),
    ]
    found = equal_cost(pairs, "passes", "accuracy")
    assert found
    assert (found.to_target.reached, found.to_target.ratio, found.to_target.method) == (2, 4.0, 1200.0)
    found = equal_cost([*pairs, pairs[1]], "passes", "accuracy")
    assert found
    assert (found.to_target.reached, found.to_target.ratio) == (2, None)


def test_a_budget_below_the_first_epoch_leaves_nothing_to_compare() -> None:
    found = equal_cost([Pair(method=run(9, passes=1200.0), baseline=CHEAP)], "passes", "accuracy")
    assert found
    at = found.at_baseline_cost
    assert (at.method, at.baseline, at.n, at.difference) == (None, 0.6, 0, None)
    assert equal_cost([], "passes", "accuracy") is None


def test_a_mean_curve() -> None:
    curve = mean_curve([CHEAP, DEAR], "accuracy")
    assert curve
    assert curve.epochs == (1, 2, 3, 4)
    assert curve.mean == pytest.approx((0.3, 0.55, 0.7, 0.75))
    assert curve.passes == pytest.approx((200, 400, 600, 800))
    assert curve.seconds == pytest.approx((1.25, 2.5, 3.75, 5.0))
    assert curve.std == pytest.approx((0.02**0.5, 0.005**0.5, 0.02**0.5, 0.045**0.5))
    alone = mean_curve([CHEAP], "accuracy")
    assert alone
    assert alone.std == (None,) * 4


def test_curves_that_have_no_mean() -> None:
    assert mean_curve([], "accuracy") is None
    assert mean_curve([CHEAP, run(6)], "accuracy") is None
    assert mean_curve([CHEAP], "macro_auc") is None
    unknown = changed(CHEAP, curve=[row | {"test/macro_auc": None} for row in CHEAP.curve])
    assert mean_curve([unknown], "macro_auc") is None


def test_another_metric_has_a_curve_of_its_own() -> None:
    areas = changed(CHEAP, curve=[row | {"test/macro_auc": row["test/accuracy"] / 2} for row in CHEAP.curve])
    assert score_at(areas, AXES[0], 1e9, "macro_auc") == 0.3
    found = equal_cost([Pair(method=areas, baseline=CHEAP)], "passes", "macro_auc")
    assert found
    assert (found.to_target.reached, found.at_method_cost.baseline) == (0, None)
    assert found.at_method_cost.spent == 1.0


def test_where_lower_is_better_the_target_is_come_down_to() -> None:
    """Losses fall 0.9, 0.7, 0.6 (100 passes an epoch) and 0.8, 0.6, 0.5 (300): 0.6 is reached at 300, 600."""
    ours, theirs = (
        small_record(bits(5), metric="nll", kind=NLL, earlier=earlier, passes=passes, last=last)
        for earlier, last, passes in (([0.8, 0.6], 0.5, 900.0), ([0.9, 0.7], 0.6, 300.0))
    )
    pairs = [Pair(method=ours, baseline=theirs)]
    found = equal_cost(pairs, "passes", "nll", higher_is_better=False)
    assert found
    to = found.to_target
    assert (to.reached, to.method, to.baseline, to.ratio) == (1, 600.0, 300.0, 2.0)
    assert found.at_baseline_cost.difference == pytest.approx(0.8 - 0.6)
    taken_for_gains = equal_cost(pairs, "passes", "nll")
    assert taken_for_gains
    assert taken_for_gains.to_target.method == 300.0
