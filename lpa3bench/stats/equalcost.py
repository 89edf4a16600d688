"""Two methods at equal cost: an augmenter that trebles the passes has to beat three times the training.

A run that is cut off at a budget had a schedule made for more; with one made for the budget it would most
likely be better; and a run that is cheaper than the budget never spends it. Neither is a comparison at equal
cost, so nothing here has a verdict. A baseline trained for just that cost (the settings named `equal_cost`)
is the fair one: boards name its row, and every method is compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from lpa3bench.records import Record
from lpa3bench.records.summary import column
from lpa3bench.stats.curves import Axis, cost_to_reach, score_at, total_cost
from lpa3bench.stats.pairing import Pair
from lpa3bench.stats.signflips import sign_flip_p

EQUAL = 0.03
"""Costs that differ by no more than this share are equal."""
FARTHEST = 1.25
"""Times the passes of an equal-cost arm, or fewer: a method beyond it is not compared with it."""


@dataclass(frozen=True, kw_only=True)
class AtBudget:
    """One method stopped, pair by pair, at the last epoch within what the other one spent."""

    budget: float
    """Mean over the pairs."""
    spent: float
    """Mean share of the budget that the one to be stopped spends in its whole training, 1 where it is as
    much; less than 1 − `EQUAL`: it ended by itself, and there is nothing to compare."""
    method: float | None
    baseline: float | None
    """Mean scores; None where a run had not finished an epoch by then, or ended by itself."""
    n: int
    """Pairs in which both had scores; 0 where one ended by itself."""
    difference: float | None
    p: float | None
    """Of the sign-flip test, not corrected: nothing is claimed here. None without such pairs."""


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
    """The baseline cut off at what the method cost."""
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
        at_baseline_cost=_at(pairs, axis, theirs, ours, metric),
        at_method_cost=_at(pairs, axis, ours, theirs, metric),
        to_target=_to_target(pairs, axis, metric, higher_is_better),
    )


def _sides(pairs: Sequence[Pair]) -> tuple[list[Record], list[Record]]:
    return [pair.method for pair in pairs], [pair.baseline for pair in pairs]


def about_equal(method: float | None, arm: float | None) -> bool:
    """Whether an arm takes about the passes of a method: elsewhere it says nothing of the method."""
    return bool(method and arm and 1 / FARTHEST <= method / arm <= FARTHEST)


def cost_ratio(pairs: Sequence[Pair]) -> float | None:
    """The method's passes by the baseline's, of whole trainings; None without pairs."""
    if not pairs:
        return None
    ours, theirs = ([run.passes for run in side] for side in _sides(pairs))
    return fmean(ours) / fmean(theirs) if fmean(theirs) else None


def _at(
    pairs: Sequence[Pair],
    axis: Axis,
    budgets: Sequence[float],
    costs: Sequence[float],
    metric: str,
) -> AtBudget:
    shares = [min(cost / budget, 1.0) if budget else 1.0 for cost, budget in zip(costs, budgets, strict=True)]
    spent = fmean(shares)
    if spent < 1 - EQUAL:
        return AtBudget(
            budget=fmean(budgets), spent=spent, method=None, baseline=None, n=0, difference=None, p=None
        )
    ours, theirs = (
        [score_at(run, axis, budget, metric) for run, budget in zip(side, budgets, strict=True)]
        for side in _sides(pairs)
    )
    differences = [
        pair.difference_of(metric, a, b)
        for pair, a, b in zip(pairs, ours, theirs, strict=True)
        if a is not None and b is not None
    ]
    return AtBudget(
        budget=fmean(budgets),
        spent=spent,
        method=_mean(ours),
        baseline=_mean(theirs),
        n=len(differences),
        difference=float(sum(differences) / len(differences)) if differences else None,
        p=sign_flip_p(differences) if differences else None,
    )


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return fmean(known) if len(known) == len(scores) else None


def _to_target(pairs: Sequence[Pair], axis: Axis, metric: str, higher_is_better: bool) -> ToTarget:
    costs = []
    for pair in pairs:
        target = pair.baseline.column(column("test", metric))[-1]
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
