"""Methods compared cell by cell, without a board: what `lpa3bench compare` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from os.path import realpath
from statistics import fmean

from lpa3bench.boards.board import Measure
from lpa3bench.boards.measures import chosen_measure, metric_of
from lpa3bench.boards.selection import Group
from lpa3bench.errors import UsageError
from lpa3bench.records import Record
from lpa3bench.stats import (
    AXES,
    EqualCost,
    Harm,
    Pair,
    PairedTest,
    Pairing,
    PerSample,
    SeedsAndImages,
    Summary,
    Unpaired,
    about_equal,
    augmenters_that_differ,
    class_harm,
    cost_ratio,
    equal_cost,
    in_any_pair,
    judged,
    paired_runs,
    paired_test,
    per_sample,
    seeds_and_images,
    settings_that_differ,
    summarise,
    surroundings_that_differ,
    wilcoxon_test,
)


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two methods, in one cell."""

    label: str
    """The cell's name and the experiment's hash."""
    runs: int
    """All there are; `scores` are of those that make pairs."""
    scores: Summary
    is_result: bool
    """False: some were trained on a part of the images (`--limit`)."""
    passes: float | None
    seconds: float | None
    """Means over the pairs of what the whole training cost."""


@dataclass(frozen=True, kw_only=True)
class AtEqualCost:
    """A method against the task alone, trained for what the method costs."""

    arm: Side
    method: Side
    """Its runs that make pairs with the arm's."""
    test: PairedTest
    """Over seeds; judged together with all others."""
    passes_ratio: float | None
    """The method's passes by the arm's."""


@dataclass(frozen=True, kw_only=True)
class CellComparison:
    """A method against a baseline in one cell."""

    method: Side
    baseline: Side
    test: PairedTest
    """Over seeds; judged together with the other cells."""
    refused: tuple[Unpaired, ...]
    besides: tuple[str, ...]
    """Settings besides the augmenter in which the two differ, as `name: baseline → method`."""
    augmenters: tuple[str, ...]
    """In what their augmenters differ, likewise."""
    surroundings: tuple[str, ...]
    """Hardware, processes and versions that differ: numbers hardly change by them, the clock does."""
    images: PerSample | None
    seeds_and_images: SeedsAndImages | None
    harm: Harm | None
    costs: tuple[EqualCost, ...]
    at_equal_cost: AtEqualCost | None
    """None: there are no runs of such an arm."""

    @property
    def badge(self) -> str:
        """What the difference can be due to, in a few words."""
        if self.besides:
            return "other settings too"
        return "augmenter only" if self.augmenters else "nothing differs"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """All cells."""

    metric: str
    measure: Measure
    """Of that metric."""
    cells: tuple[CellComparison, ...]
    pooled: PairedTest | None
    """Over cells, one mean difference each; None for a single cell, or where cells share a setting."""


def compare(
    methods: Sequence[Group],
    baselines: Sequence[Group],
    metric: str | None = None,
    equal_cost_arms: Sequence[Group] = (),
) -> Compared:
    """Compare every method with every baseline in the same environment, and with its arm at equal cost.

    One method and one baseline are compared whatever they are; of more, those with the same task, data set,
    labels, setting, backbone and epochs. p values are corrected over all of these comparisons.

    Args:
        equal_cost_arms: tasks alone, trained for what a method costs; each is compared with the methods whose
            baseline it differs from in its schedule alone.
        metric: `<metric>.<rule>`; None: the selecting metric's after the last epoch.

    Raises:
        UsageError: nothing makes a pair, or no record has the metric.
        DataError: a record is damaged.
    """
    matched = _matched(methods, baselines)
    measure = chosen_measure(metric, [group.first for couple in matched for group in couple])
    pairings = [paired_runs(ours.records, theirs.records, measure.key) for ours, theirs in matched]
    if not any(pairing.pairs for pairing in pairings):
        raise UsageError(_nothing(matched, pairings))
    arms = [_arm(ours, theirs, equal_cost_arms) for ours, theirs in matched]
    fair = [
        paired_runs(ours.records, arm.records, measure.key) if arm else None
        for (ours, _), arm in zip(matched, arms, strict=True)
    ]
    tests = judged(
        [
            paired_test(
                pairing.differences(measure.key) if pairing else (), higher_is_better=measure.higher_is_better
            )
            for pairing in (*pairings, *fair)
        ]
    )
    equal = [
        _at_equal_cost(ours, arm, pairing, test, measure.key) if arm and pairing else None
        for (ours, _), arm, pairing, test in zip(matched, arms, fair, tests[len(matched) :], strict=True)
    ]
    tests = tests[: len(matched)]
    return Compared(
        metric=measure.key,
        measure=measure,
        cells=tuple(
            _cell(ours, theirs, pairing, test, measure, found)
            for (ours, theirs), pairing, test, found in zip(matched, pairings, tests, equal, strict=True)
        ),
        pooled=_pooled(matched, tests, measure),
    )


def _matched(methods: Sequence[Group], baselines: Sequence[Group]) -> list[tuple[Group, Group]]:
    couples = [(a, b) for a, b in product(methods, baselines) if not _same(a, b)]
    if not couples:
        raise UsageError(f"nothing to compare: both are {methods[0].label}")
    if len(methods) == len(baselines) == 1:
        return couples
    found = [(a, b) for a, b in couples if a.environment == b.environment]
    found = [  # where a folder is compared with itself, each two once: the correction counts them
        (a, b)
        for place, (a, b) in enumerate(found)
        if not any(_same(a, d) and _same(b, c) for c, d in found[:place])
    ]
    if not found:
        what = "task, data set, labels, setting, backbone and epochs"
        ours, theirs = _told(methods), _told(baselines)
        raise UsageError(
            f"nothing to compare: no two cells share {what}; they are {ours}, and {theirs}; "
            "name one cell on each side to compare them all the same"
        )
    return found


def _same(one: Group, other: Group) -> bool:
    files, others = ({*map(realpath, group.paths)} for group in (one, other))
    return one.label == other.label and files == others


def _told(groups: Sequence[Group], shown: int = 3) -> str:
    """Their environments in a few words."""
    cells = dict.fromkeys(
        " ".join(str(part) for part in group.environment if part is not None) for group in groups
    )
    return "; ".join([*cells][:shown]) + (f"; and {len(cells) - shown} more" if len(cells) > shown else "")


def _nothing(matched: Sequence[tuple[Group, Group]], pairings: Sequence[Pairing]) -> str:
    (ours, theirs), pairing = matched[0], pairings[0]
    reasons = "; ".join(map(str, pairing.refused[:2])) + ("; …" if len(pairing.refused) > 2 else "")
    return f"nothing to compare: no run of {ours.label} makes a pair with one of {theirs.label}: {reasons}"


def _arm(method: Group, baseline: Group, arms: Sequence[Group]) -> Group | None:
    """The arm that is the baseline with a schedule of about the method's cost; not where that is what the
    method is, either."""

    def task(group: Group) -> tuple[object, ...]:
        cell = group.first.cell
        return cell.task, cell.dataset, cell.labels, cell.backbone, sorted(cell.slots.items())

    def passes(group: Group) -> float:
        return fmean(record.passes for record in group.records)

    fitting = [
        arm for arm in arms if task(arm) == task(baseline) and about_equal(passes(method), passes(arm))
    ]
    taken = (method.label, baseline.label)
    return next((arm for arm in fitting if arm.label not in taken), None)


def _at_equal_cost(
    ours: Group, arm: Group, pairing: Pairing, test: PairedTest, metric: str
) -> AtEqualCost | None:
    if not pairing.pairs:
        return None
    return AtEqualCost(
        arm=_side(arm, [pair.baseline for pair in pairing.pairs], metric),
        method=_side(ours, [pair.method for pair in pairing.pairs], metric),
        test=test,
        passes_ratio=cost_ratio(pairing.pairs),
    )


def _cell(
    ours: Group,
    theirs: Group,
    pairing: Pairing,
    test: PairedTest,
    measure: Measure,
    at_equal_cost: AtEqualCost | None,
) -> CellComparison:
    pairs = pairing.pairs
    told = pairs or (Pair(method=ours.first, baseline=theirs.first),)
    metric = metric_of(measure.key)
    costs = (equal_cost(pairs, axis, metric, higher_is_better=measure.higher_is_better) for axis in AXES)
    return CellComparison(
        method=_side(ours, [pair.method for pair in pairs], measure.key),
        baseline=_side(theirs, [pair.baseline for pair in pairs], measure.key),
        test=test,
        refused=pairing.refused,
        besides=in_any_pair(settings_that_differ, told),
        augmenters=in_any_pair(augmenters_that_differ, told),
        surroundings=in_any_pair(surroundings_that_differ, told),
        images=per_sample(pairs),
        seeds_and_images=seeds_and_images(pairs),
        harm=class_harm(pairs),
        costs=tuple(cost for cost in costs if cost is not None),
        at_equal_cost=at_equal_cost,
    )


def _side(group: Group, paired: Sequence[Record], metric: str) -> Side:
    scores = [score for record in paired if (score := record.score(metric)) is not None]
    return Side(
        label=group.label,
        runs=len(group.records),
        scores=summarise(scores),
        is_result=all(record.is_result for record in group.records),
        passes=fmean(record.passes for record in paired) if paired else None,
        seconds=fmean(record.seconds for record in paired) if paired else None,
    )


def _pooled(
    matched: Sequence[tuple[Group, Group]], tests: Sequence[PairedTest], measure: Measure
) -> PairedTest | None:
    environments = [ours.environment for ours, _ in matched]
    if len(environments) < 2 or len({*environments}) < len(environments):
        return None
    differences = [test.difference for test in tests if test.difference is not None]
    return wilcoxon_test(differences, higher_is_better=measure.higher_is_better)
