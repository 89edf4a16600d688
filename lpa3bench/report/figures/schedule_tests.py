"""What schedules are compared for: whether a short one ranks methods as the whole one does, and whether a
method gains at its cost what the task alone does not by training longer.

Nothing is interpolated: a method on a schedule is compared with the task alone on the schedule that costs as
much or more, which favours the task alone, and on the one that costs as much or less, which favours the
method. Better is said where both say so and the first is there, worse where both say so and the second is
there: a claim that needs two tests has the larger p of the two, and is one claim for Holm's correction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lpa3bench.boards.board import Measure
from lpa3bench.report.figures.schedules import MethodLine, OnSchedule, Schedule, SchedulePanel
from lpa3bench.stats import PairedTest, judged, paired_runs, paired_test
from lpa3bench.stats.equalcost import EQUAL
from lpa3bench.stats.paired import TestVerdict
from lpa3bench.stats.rank_agreement import RankAgreement, rank_agreement


@dataclass(frozen=True)
class ScheduleAgreement:
    """A schedule beside the panel's reference."""

    schedule: Schedule
    of: RankAgreement


@dataclass(frozen=True)
class AtCost:
    """A method less the task alone on one of its schedules, pair by pair."""

    schedule: Schedule
    """Of the task alone."""
    passes: float
    """What it costs there, over what the method costs."""
    test: PairedTest
    """By itself."""


@dataclass(frozen=True)
class AtItsCost:
    """A method on a schedule, and the task alone on the schedules next to its cost."""

    method: str
    schedule: Schedule
    passes: float
    longer: AtCost | None
    """The cheapest that costs as much or more; None: none does."""
    shorter: AtCost | None
    """The dearest that costs as much or less. The same as `longer` where the costs are within 3 %."""
    weaker: PairedTest
    """Of the tests that with the larger p, which is 1 where one says better and one worse; judged with those
    of all methods and schedules."""

    @property
    def tests(self) -> tuple[AtCost, ...]:
        return _each_once(self.longer, self.shorter)

    @property
    def verdict(self) -> TestVerdict:
        """Better than what costs less alone, or worse than what costs more alone, is none."""
        said = self.weaker.verdict
        if said not in ("better", "worse"):
            return said
        return said if (self.longer if said == "better" else self.shorter) else "not testable"


def _each_once(*both: AtCost | None) -> tuple[AtCost, ...]:
    return tuple({one.schedule: one for one in both if one is not None}.values())


def agreements(panel: SchedulePanel) -> list[ScheduleAgreement]:
    """Every schedule that two methods or more share with the reference, the shortest first."""
    reference = _scores(panel, panel.reference)
    found = [
        ScheduleAgreement(schedule, rank_agreement(_scores(panel, schedule), reference))
        for schedule in panel.schedules
        if schedule != panel.reference
    ]
    return [one for one in found if len(one.of.methods) > 1]


def _scores(panel: SchedulePanel, schedule: Schedule) -> dict[str, dict[int, float]]:
    """By method, then by seed."""
    points = {line.name: line.on(schedule) for line in panel.lines}
    return {
        name: dict(zip(point.score.seeds, point.score.scores, strict=True))
        for name, point in points.items()
        if point is not None
    }


def at_their_cost(panel: SchedulePanel, measure: Measure) -> list[AtItsCost]:
    """Every method on each of its schedules against the task alone, judged together: one family.

    None where the panel has no task alone, or several.
    """
    alone = panel.baseline
    if alone is None:
        return []
    found = [
        _at_its_cost(line, point, alone, measure)
        for line in panel.lines
        if line is not alone
        for point in line.points
    ]
    corrected = judged([its.weaker for its in found])
    return [replace(its, weaker=test) for its, test in zip(found, corrected, strict=True)]


def _at_its_cost(line: MethodLine, point: OnSchedule, alone: MethodLine, measure: Measure) -> AtItsCost:
    as_dear = [other for other in alone.points if other.passes >= (1 - EQUAL) * point.passes]
    as_cheap = [other for other in alone.points if other.passes <= (1 + EQUAL) * point.passes]
    longer = min(as_dear, key=lambda other: other.passes, default=None)
    shorter = max(as_cheap, key=lambda other: other.passes, default=None)

    def against(other: OnSchedule) -> AtCost:
        pairs = paired_runs(point.records, other.records, measure.key)
        test = paired_test(pairs.differences(measure.key), higher_is_better=measure.higher_is_better)
        return AtCost(other.schedule, other.passes / point.passes, test)

    above = against(longer) if longer else None
    below = above if shorter is longer else against(shorter) if shorter else None
    tests = [one.test for one in _each_once(above, below)]
    weaker = max(tests, key=lambda test: 2.0 if test.p is None else test.p)
    if len({(test.statistic or 0.0) > 0 for test in tests}) > 1 and weaker.p is not None:
        weaker = replace(weaker, p=1.0)
    return AtItsCost(
        method=line.name,
        schedule=point.schedule,
        passes=point.passes,
        longer=above,
        shorter=below,
        weaker=replace(weaker, smallest_p=max(test.smallest_p for test in tests)),
    )
