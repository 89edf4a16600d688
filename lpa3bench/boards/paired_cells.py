"""Cells of a board against each other: with their baselines, at equal cost, and as its questions ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from lpa3bench.boards.board import Cell, Comparison, Measure
from lpa3bench.boards.claims import STABLE_DECIMALS, stable_number, stable_p
from lpa3bench.boards.definition import Definition
from lpa3bench.boards.measures import metric_of
from lpa3bench.boards.placing import Place
from lpa3bench.records import Record
from lpa3bench.runtime.counting import counted
from lpa3bench.stats.curves import AXES
from lpa3bench.stats.equalcost import AtBudget, EqualCost, about_equal, cost_ratio, equal_cost
from lpa3bench.stats.harm import class_harm
from lpa3bench.stats.nested import SeedsAndImages, seeds_and_images
from lpa3bench.stats.paired import PairedTest, judged, paired_test
from lpa3bench.stats.pairing import Pair, Pairing, paired_runs
from lpa3bench.stats.parity import in_any_pair, settings_that_differ, surroundings_that_differ
from lpa3bench.stats.samples import pooled_mcnemar

Kind = Literal["baseline", "equal cost", "question"]


@dataclass(frozen=True)
class _Wanted:
    """A comparison that is to be made."""

    place: Place
    against: str
    kind: Kind
    asked: bool
    """By a question."""
    primary: bool

    @property
    def baseline(self) -> Place:
        return self.against, self.place[1]


def with_comparisons(
    definition: Definition,
    measure: Measure,
    cells: Mapping[Place, Cell],
    found: Mapping[Place, Sequence[Record]],
) -> dict[Place, Cell]:
    """The cells, each with its comparisons in its column.

    The board's primary comparisons are judged together, and the others among themselves. On a board of costs
    it is the ratio of the means; what a test over seeds asks is no question there.

    Args:
        measure: the board's.
        cells: without comparisons, by row, then by column.
        found: the records of each cell.
    """
    wanted = [
        one
        for one in _wanted(definition)
        if found.get(one.place) and found.get(one.baseline) and (one.asked or _comparable(one, cells))
    ]
    if measure.is_cost:
        ratios = {
            one.place: _ratio(cells[one.place], cells[one.baseline])
            for one in wanted
            if one.kind == "baseline"
        }
        return {place: replace(cell, relative=ratios.get(place)) for place, cell in cells.items()}
    pairings = {one: paired_runs(found[one.place], found[one.baseline], measure.key) for one in wanted}
    tests = _judged(pairings, measure)
    result = {**cells}
    for one, pairing in pairings.items():
        first = Pair(method=found[one.place][0], baseline=found[one.baseline][0])
        cell = result[one.place]
        unpaired = [flag for flag in _unpaired(pairing) if flag not in cell.flags]
        result[one.place] = replace(
            cell,
            comparisons=(*cell.comparisons, _comparison(one, measure, pairing, tests[one], first)),
            flags=(*cell.flags, *unpaired),
        )
    return result


def _comparable(wanted: _Wanted, cells: Mapping[Place, Cell]) -> bool:
    """Whether an arm at equal cost is at about the method's cost."""
    return wanted.kind != "equal cost" or about_equal(
        cells[wanted.place].passes, cells[wanted.baseline].passes
    )


def _wanted(definition: Definition) -> Iterator[_Wanted]:
    """By cell: with its baseline, at equal cost, and what else questions ask."""
    asked: dict[tuple[Place, str], bool] = {}
    for question in definition.questions:
        for row_key, against, column_key in product(question.rows, question.against, question.columns):
            key = ((row_key, column_key), against)
            asked[key] = asked.get(key, False) or question.primary
    for row, column in definition.planned():
        place = (row.key, column.key)
        standing: dict[str, Kind] = {}
        if row.baseline:
            standing[row.baseline] = "baseline"
            if definition.equal_cost and row.key != definition.equal_cost:
                standing.setdefault(definition.equal_cost, "equal cost")
        for against, kind in standing.items():
            alone = not definition.questions and kind == "baseline"
            is_asked = (place, against) in asked
            yield _Wanted(place, against, kind, is_asked, asked.get((place, against), alone))
        for (where, against), primary in asked.items():
            if where == place and against not in standing:
                kind = "equal cost" if against == definition.equal_cost else "question"
                yield _Wanted(place, against, kind, True, primary)


def _judged(pairings: Mapping[_Wanted, Pairing], measure: Measure) -> dict[_Wanted, PairedTest]:
    """The two families, each corrected by itself."""
    result: dict[_Wanted, PairedTest] = {}
    for primary in (True, False):
        family = [one for one in pairings if one.primary == primary]
        tests = [
            paired_test(pairings[one].differences(measure.key), higher_is_better=measure.higher_is_better)
            for one in family
        ]
        result |= dict(zip(family, judged(tests), strict=True))
    return result


def _ratio(cell: Cell, baseline: Cell) -> float | None:
    return cell.mean / baseline.mean if cell.mean is not None and baseline.mean else None


def _comparison(
    wanted: _Wanted, measure: Measure, pairing: Pairing, test: PairedTest, first: Pair
) -> Comparison:
    """Of no pairs, the first runs tell what differs."""
    told = pairing.pairs or (first,)
    harm = class_harm(pairing.pairs)
    per_sample = pooled_mcnemar(pairing.pairs)
    test = _settled(test)
    costs = (
        equal_cost(pairing.pairs, axis, metric_of(measure.key), higher_is_better=measure.higher_is_better)
        for axis in AXES
    )
    return Comparison(
        baseline=wanted.against,
        kind=wanted.kind,
        primary=wanted.primary,
        passes_ratio=stable_number(cost_ratio(told)),
        n=test.n,
        difference=test.difference,
        std=test.std,
        low=test.low,
        high=test.high,
        p=test.p,
        p_holm=test.p_holm,
        smallest_p=test.smallest_p,
        verdict=test.verdict,
        test=test.test,
        why=test.why,
        per_sample_p=stable_p(per_sample.p) if per_sample else None,
        seeds_and_images=_over_images(measure, pairing),
        worst_class=harm.worst.name if harm else None,
        worst_class_difference=harm.worst.mean if harm else None,
        classes_harmed=harm.harmed if harm else None,
        classes=len(harm.classes) if harm else None,
        differs_in=in_any_pair(settings_that_differ, told),
        surroundings=in_any_pair(surroundings_that_differ, told),
        costs=tuple(_settled_cost(cost) for cost in costs if cost is not None),
    )


def _over_images(measure: Measure, pairing: Pairing) -> SeedsAndImages | None:
    """Records know image by image what was right at the last epoch, and nothing of other measures."""
    of = seeds_and_images(pairing.pairs) if measure.key == "accuracy.last" else None
    return of and replace(of, low=round(of.low, STABLE_DECIMALS), high=round(of.high, STABLE_DECIMALS))


def _settled(test: PairedTest) -> PairedTest:
    return replace(
        test,
        low=stable_number(test.low),
        high=stable_number(test.high),
        p=stable_p(test.p),
        p_holm=stable_p(test.p_holm),
    )


def _settled_cost(cost: EqualCost) -> EqualCost:
    return replace(
        cost,
        at_method_cost=_settled_budget(cost.at_method_cost),
        at_baseline_cost=_settled_budget(cost.at_baseline_cost),
    )


def _settled_budget(at: AtBudget) -> AtBudget:
    return replace(at, difference=stable_number(at.difference), p=stable_p(at.p))


def _unpaired(pairing: Pairing) -> list[str]:
    """Why runs make no pair with the baseline's, each reason once."""
    reasons = Counter(unpaired.reason for unpaired in pairing.refused)
    return [f"{counted(n, 'seed')} without a pair: {reason}" for reason, n in reasons.items()]
