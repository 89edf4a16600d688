"""What a board claims: of cells against their baselines and published numbers, and of all rows at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lpa3bench.boards.board import Cell, Comparison, Measure, Published, Reproduction
from lpa3bench.boards.definition import Definition
from lpa3bench.boards.measures import is_cost, measured_value, metric_of, with_rule
from lpa3bench.boards.placing import Place
from lpa3bench.records import Record
from lpa3bench.records.summary import ORACLE_BEST
from lpa3bench.stats.curves import AXES
from lpa3bench.stats.equalcost import EqualCost, equal_cost
from lpa3bench.stats.harm import class_harm
from lpa3bench.stats.nested import SeedsAndImages, seeds_and_images
from lpa3bench.stats.paired import PairedTest, judged, paired_test
from lpa3bench.stats.pairing import Pair, Pairing, paired_runs
from lpa3bench.stats.parity import in_any_pair, settings_that_differ, surroundings_that_differ
from lpa3bench.stats.ranking import Ranks, ranks
from lpa3bench.stats.reproduction import agreement
from lpa3bench.stats.samples import pooled_mcnemar

STABLE_DECIMALS = 10
"""Decimals of what libraries compute; the last bits differ between machines, and a board does not."""


def stable_number(number: float | None) -> float | None:
    """A computed number without the bits in which machines differ."""
    return None if number is None else round(number, STABLE_DECIMALS)


# ----------------------------------------------------------------------------------------------- baselines
def with_comparisons(
    definition: Definition,
    measure: Measure,
    cells: Mapping[Place, Cell],
    found: Mapping[Place, Sequence[Record]],
) -> dict[Place, Cell]:
    """The cells, each with its comparison with the baseline of its row in the same column.

    On a board of costs it is the ratio of the means; what a test over seeds asks is no question there.

    Args:
        measure: the board's.
        cells: without comparisons, by row, then by column.
        found: the records of each cell.
    """
    baselines = {
        (row.key, column.key): (row.baseline, column.key)
        for row, column in definition.planned()
        if row.baseline and found.get((row.key, column.key)) and found.get((row.baseline, column.key))
    }
    if measure.is_cost:
        ratios = {place: _ratio(cells[place], cells[baseline]) for place, baseline in baselines.items()}
        return {place: replace(cell, relative=ratios.get(place)) for place, cell in cells.items()}
    pairings = {
        place: paired_runs(found[place], found[baseline], measure.key)
        for place, baseline in baselines.items()
    }
    tests = judged(
        [
            paired_test(pairing.differences(measure.key), higher_is_better=measure.higher_is_better)
            for pairing in pairings.values()
        ]
    )
    result = {**cells}
    for (place, pairing), test in zip(pairings.items(), tests, strict=True):
        baseline = baselines[place]
        first = Pair(method=found[place][0], baseline=found[baseline][0])
        result[place] = replace(
            cells[place],
            comparison=_comparison(measure, baseline[0], pairing, test, first),
            flags=(*cells[place].flags, *_unpaired(pairing)),
        )
    return result


def _ratio(cell: Cell, baseline: Cell) -> float | None:
    return cell.mean / baseline.mean if cell.mean is not None and baseline.mean else None


def _comparison(
    measure: Measure, baseline: str, pairing: Pairing, test: PairedTest, first: Pair
) -> Comparison:
    """The comparison with the row that is called so; of no pairs, the first runs tell what differs."""
    told = pairing.pairs or (first,)
    harm = class_harm(pairing.pairs)
    per_sample = pooled_mcnemar(pairing.pairs)
    test = _settled(test)
    costs = (
        equal_cost(pairing.pairs, axis, metric_of(measure.key), higher_is_better=measure.higher_is_better)
        for axis in AXES
    )
    return Comparison(
        baseline=baseline,
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
        per_sample_p=stable_number(per_sample.p) if per_sample else None,
        seeds_and_images=_over_images(measure, pairing),
        worst_class=harm.worst.name if harm else None,
        worst_class_difference=harm.worst.difference.mean if harm else None,
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
        p=stable_number(test.p),
        p_holm=stable_number(test.p_holm),
    )


def _settled_cost(cost: EqualCost) -> EqualCost:
    ours, theirs = cost.at_method_cost, cost.at_baseline_cost
    return replace(
        cost,
        at_method_cost=replace(ours, test=_settled(ours.test)),
        at_baseline_cost=replace(theirs, test=_settled(theirs.test)),
    )


def _unpaired(pairing: Pairing) -> list[str]:
    """Why runs make no pair with the baseline's, each reason once."""
    reasons = Counter(unpaired.reason for unpaired in pairing.refused)
    return [f"{n} seed{'s' if n > 1 else ''} without a pair: {reason}" for reason, n in reasons.items()]


# ------------------------------------------------------------------------------------------ published ones
def reproduction(published: Published | None, runs: Sequence[Record], metric: str) -> Reproduction | None:
    """Whether the runs agree with what was published, by the measure that it was published by.

    None where nothing was published or nothing is measured. Where nobody knows the measure there is no
    verdict, but what it would be by the board's `metric` and by the best epoch on the test set.
    """
    if published is None or not runs:
        return None
    if published.metric == "none":
        return _not_testable("it is another quantity than any of a record's scores")
    if published.metric == "unknown":
        told = (
            f"as {name} it would be {_agreement(published, runs, name).verdict}"
            for name in (metric, with_rule(metric, ORACLE_BEST))
        )
        return _not_testable(f"the source does not say which epoch counts; {', '.join(told)}")
    return _agreement(published, runs, published.metric)


def _agreement(published: Published, runs: Sequence[Record], metric: str) -> Reproduction:
    scores = [score for run in runs if (score := measured_value(run, metric)) is not None]
    if len(scores) < len(runs):
        return _not_testable(f"{metric} is undefined in some runs")
    found = agreement(scores, published=published.mean, published_n=published.n)
    return Reproduction(
        verdict=found.verdict, low=stable_number(found.low), high=stable_number(found.high), why=found.why
    )


def _not_testable(reason: str) -> Reproduction:
    return Reproduction(verdict="not testable", low=None, high=None, why=f"not testable: {reason}")


# ------------------------------------------------------------------------------------------------ all rows
def rank(definition: Definition, measure: Measure, cells: Mapping[Place, Cell]) -> Ranks | None:
    """The ranked rows over the columns in which all of them are measured; None where that is nothing.

    Rows of which no cell is measured have no rank, and cost nobody else theirs.
    """
    if is_cost(definition.metric):
        return None
    sign = 1 if measure.higher_is_better else -1
    scores = {
        row: {
            column.key: None if cell.mean is None else sign * cell.mean
            for column in definition.columns
            if (cell := cells.get((row, column.key))) is not None
        }
        for row in definition.ranked
    }
    scores = {row: means for row, means in scores.items() if any(mean is not None for mean in means.values())}
    columns = [column.key for column in definition.columns]
    found = ranks({row: {c: means.get(c) for c in columns} for row, means in scores.items()})
    if found is None or len(found.columns) < 2:  # ranks in one column are only its order
        return None
    pairs = (
        replace(
            pair,
            difference=None if pair.difference is None else stable_number(sign * pair.difference),
            p=stable_number(pair.p),
            p_holm=stable_number(pair.p_holm),
            smallest_p=round(pair.smallest_p, STABLE_DECIMALS),
        )
        for pair in found.pairs
    )
    return replace(found, pairs=tuple(pairs))
