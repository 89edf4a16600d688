"""Two methods at equal cost: an augmenter that trebles the passes has to beat three times the training.

A run that is cut off at a budget had a schedule made for more; with one made for the budget it would most
likely be better. A baseline trained for just that cost (the settings named `equal_cost`) is the fair one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from lpa3bench.records import Record
from lpa3bench.records.summary import column
from lpa3bench.stats.curves import Axis, cost_to_reach, score_at, total_cost
from lpa3bench.stats.paired import PairedTest, paired_test
from lpa3bench.stats.pairing import Pair


@dataclass(frozen=True, kw_only=True)
class AtBudget:
    """Both methods stopped, pair by pair, at the last epoch within a budget."""

    budget: float
    """Mean over the pairs."""
    method: float | None
    baseline: float | None
    """Mean scores; None where a run had not finished an epoch by then."""
    test: PairedTest
    """Over the pairs in which both had."""


@dataclass(frozen=True, kw_only=True)
class ToTarget:
    """What it took to come to the baseline's final score for the first time; each pair has its own target.

    It looks at the test set after every epoch, so it describes curves, and no run could have stopped by it.
    """

    n: int
    """Pairs."""
    reached: int
    """In which the method came to the target at all."""
    method: float | None
    baseline: float | None
    """Medians of the cost; None where half of the runs or more never came to it."""
    ratio: float | None
    """Median of method / baseline, pair by pair: below 1, the method was faster. None likewise."""


@dataclass(frozen=True, kw_only=True)
class EqualCost:
    """The comparison along one axis."""

    axis: Axis
    method: float
    baseline: float
    """Mean cost of the whole training."""
    at_baseline_cost: AtBudget
    """The method cut off at what the baseline cost."""
    at_method_cost: AtBudget
    """The baseline cut off at what the method cost; a cheaper one stands with its last epoch."""
    to_target: ToTarget


def equal_cost(
    pairs: Sequence[Pair], axis: Axis, metric: str, *, higher_is_better: bool = True
) -> EqualCost | None:
    """Compare along one axis, by a metric on the test split; None without pairs."""
    if not pairs:
        return None
    ours, theirs = ([total_cost(run, axis) for run in side] for side in _sides(pairs))
    return EqualCost(
        axis=axis,
        method=fmean(ours),
        baseline=fmean(theirs),
        at_baseline_cost=_at(pairs, axis, theirs, metric, higher_is_better),
        at_method_cost=_at(pairs, axis, ours, metric, higher_is_better),
        to_target=_to_target(pairs, axis, metric, higher_is_better),
    )


def _sides(pairs: Sequence[Pair]) -> tuple[list[Record], list[Record]]:
    return [pair.method for pair in pairs], [pair.baseline for pair in pairs]


def _at(
    pairs: Sequence[Pair], axis: Axis, budgets: Sequence[float], metric: str, higher_is_better: bool
) -> AtBudget:
    ours, theirs = (
        [score_at(run, axis, budget, metric) for run, budget in zip(side, budgets, strict=True)]
        for side in _sides(pairs)
    )
    differences = [a - b for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    return AtBudget(
        budget=fmean(budgets),
        method=_mean(ours),
        baseline=_mean(theirs),
        test=paired_test(differences, higher_is_better=higher_is_better),
    )


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return fmean(known) if len(known) == len(scores) else None


def _to_target(pairs: Sequence[Pair], axis: Axis, metric: str, higher_is_better: bool) -> ToTarget:
    costs = []
    for pair in pairs:
        target = pair.baseline.curve[-1].get(column("test", metric))
        runs = (pair.method, pair.baseline)
        found = [
            None
            if target is None
            else cost_to_reach(run, axis, target, metric, higher_is_better=higher_is_better)
            for run in runs
        ]
        costs.append([math.inf if cost is None else cost for cost in found])
    return ToTarget(
        n=len(costs),
        reached=sum(method < math.inf for method, _ in costs),
        method=_median([method for method, _ in costs]),
        baseline=_median([baseline for _, baseline in costs]),
        ratio=_median(
            [method / baseline if 0 < baseline < math.inf else math.inf for method, baseline in costs]
        ),
    )


def _median(costs: Sequence[float]) -> float | None:
    middle = median(costs)
    return middle if middle < math.inf else None
