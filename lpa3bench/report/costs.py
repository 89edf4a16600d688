"""Two methods at equal cost, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lpa3bench.boards.board import Measure
from lpa3bench.report.numbers import (
    MISSING,
    format_count,
    format_difference,
    format_p,
    format_seconds,
    format_value,
    unit_of_difference,
    unit_text,
)
from lpa3bench.runtime.counting import counted
from lpa3bench.stats import AtBudget, EqualCost
from lpa3bench.stats.equalcost import EQUAL

SURROUNDINGS = "the surroundings differ, so seconds do not compare"


def cost_rows(
    cost: EqualCost, measure: Measure, method: str, baseline: str, *, comparable: bool = True
) -> Iterator[tuple[str, str]]:
    """What each sentence is about, and the sentence.

    Args:
        method, baseline: what the two are called in it.
        comparable: whether one's cost says anything of the other's; see `SURROUNDINGS`.
    """
    told: Callable[[float | None], str] = format_count if cost.axis == "passes" else format_seconds
    ratio = f" (× {cost.method / cost.baseline:.2f})" if cost.baseline else ""
    but = "" if comparable else f"; {SURROUNDINGS}"
    yield cost.axis, f"{told(cost.method)} against {told(cost.baseline)}{ratio}{but}"
    if not _has_curve(cost):
        return
    stopped = _stopped(cost.at_baseline_cost, measure)
    yield f"{cost.axis} of {baseline}", f"{method} stopped at {baseline}'s cost: {stopped}"
    stopped = _stopped(cost.at_method_cost, measure)
    yield f"{cost.axis} of {method}", f"{baseline} stopped at {method}'s cost: {stopped}"
    reached = _to_target(cost, told, method)
    yield f"{cost.axis} to {baseline}", f"to come to {baseline}'s final score: {reached}"


def _has_curve(cost: EqualCost) -> bool:
    """A metric that was computed later has none. Else one of them has a number at the other's cost."""
    both = (cost.at_baseline_cost, cost.at_method_cost)
    return any(number is not None for at in both for number in (at.method, at.baseline))


def _stopped(at: AtBudget, measure: Measure) -> str:
    if at.spent < 1 - EQUAL:
        return f"it ended by itself at {100 * at.spent:.0f} % of that cost: no comparison"
    scores = (
        f"{format_value(at.method, measure)} against {format_value(at.baseline, measure)}{unit_text(measure)}"
    )
    if at.difference is None:
        return f"{scores}, as a run had not finished an epoch"
    difference = f"{format_difference(at.difference, measure)}{unit_of_difference(measure)}"
    return f"{scores}, {difference} (p {format_p(at.p)}, not corrected)"


def _to_target(cost: EqualCost, told: Callable[[float | None], str], method: str) -> str:
    to = cost.to_target
    ratio = MISSING if to.ratio is None else f"× {to.ratio:.2f}"
    medians = f"medians {told(to.method)} against {told(to.baseline)}, {ratio}"
    return f"{method} did in {to.reached} of {counted(to.n, 'pair')}; {medians}"
