"""Runs put on schedules: what a method reaches on each, at which cost.

Runs of one method differ in numbers of the schedule (`SCHEDULE_PARAMETERS`) and in nothing else: what differs
in any other value is another method, named by it. A schedule is what runs of all methods share: the numbers
of `run` and of the task; those of an augmenter, such as LP-A3's warm-up, come with it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

from lpa3bench.errors import DataError
from lpa3bench.records import Record
from lpa3bench.report.figures.points import Point, check_one_engine, point_of
from lpa3bench.report.figures.series import (
    Arm,
    Ignored,
    Panel,
    Role,
    grouped,
    panels,
    values_in_force,
    with_arms,
)

SCHEDULE_PARAMETERS = frozenset(
    (
        "epochs", "steps_per_epoch", "warmup_steps", "warmup_epochs", "ramp_epochs", "restart_epochs",
        "head_epochs", "late_epoch", "lr_drop_epoch", "correction_epoch", "final_epoch", "bootstrap_epoch",
        "soft_epoch", "temperature_epochs", "ema_decay",
    )
)  # fmt: skip
"""Lengths and places on the schedule, in epochs or steps, and how far back an average of the weights reaches:
by these names, of whichever plugin."""
FEWEST_SCHEDULES, FEWEST_LINES = 2, 2
"""As many methods must have as many schedules for there to be anything to compare."""

Values = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Schedule:
    """One length of training."""

    name: str
    """Its setting's; else the values in which it differs from the others."""
    steps: float
    """Of the optimiser, mean over its runs."""
    multiple: float
    """Steps over those of the panel's reference."""

    def __str__(self) -> str:
        return f"{self.name} ({self.multiple:.2g} ×)"


@dataclass(frozen=True)
class OnSchedule:
    """The runs of a method on a schedule."""

    schedule: Schedule
    records: tuple[Record, ...]
    """By seed."""
    passes: float
    """Forward equivalents of the whole training, mean over seeds."""
    score: Point


@dataclass(frozen=True)
class MethodLine:
    """One method on its schedules."""

    name: str
    role: Role
    points: tuple[OnSchedule, ...]
    """The shortest schedule first."""

    def on(self, schedule: Schedule) -> OnSchedule | None:
        return next((point for point in self.points if point.schedule == schedule), None)


@dataclass(frozen=True)
class SchedulePanel:
    """One environment."""

    title: str
    schedules: tuple[Schedule, ...]
    """The shortest first."""
    reference: Schedule
    """That of which a shorter one may be a proxy: the longest of those that most methods have."""
    lines: tuple[MethodLine, ...]
    """The task alone first."""

    @property
    def baseline(self) -> MethodLine | None:
        """The task alone; None where there is none, or more than one."""
        found = [line for line in self.lines if line.role != "method"]
        return found[0] if len(found) == 1 else None


def schedule_panels(
    records: Sequence[Record], metric: str, *, also: Collection[str] = (), arms: Sequence[str] = ()
) -> tuple[list[SchedulePanel], list[str]]:
    """The environments in which two methods or more have two schedules, and the titles of the others.

    Args:
        records: of any runs.
        metric: `<metric>.<rule>`.
        also: further parameters of schedules, as they are called in a config: `MyTask.anneal`.
        arms: patterns of the methods' names; none: all.

    Raises:
        DataError: there is no such environment; runs of one method and schedule were made by different code
            or with another schedule of an augmenter, or are of one seed; of a line, by two engines; or the
            metric is undefined in a run.
    """
    ignored = _schedule_values(also)
    found = with_arms(panels(records, ignored), arms)
    several = [panel for panel in found if _has_several(panel, ignored)]
    if not several:
        raise DataError(
            "no two methods there have runs on two schedules; schedules are told apart by "
            f"{', '.join(sorted({*SCHEDULE_PARAMETERS, *also}))}"
        )
    left_out = [panel.title for panel in found if panel not in several]
    return [_panel(panel, metric, ignored) for panel in several], left_out


def _schedule_values(also: Collection[str]) -> Ignored:
    def is_one(name: str) -> bool:
        plain = name.rpartition("/")[2]
        return plain.rpartition(".")[2] in SCHEDULE_PARAMETERS or name in also or plain in also

    return is_one


def _shared(record: Record, ignored: Ignored) -> Values:
    """The schedule: of the values that may differ those of `run` and the task."""
    owners = ("run", record.cell.task)
    values = values_in_force(record).items()
    return tuple(
        sorted((name, text) for name, text in values if ignored(name) and name.rpartition(".")[0] in owners)
    )


def _has_several(panel: Panel, ignored: Ignored) -> bool:
    lengths = [len({_shared(record, ignored) for record in arm.records}) for arm in panel.arms]
    return sum(length >= FEWEST_SCHEDULES for length in lengths) >= FEWEST_LINES


def _panel(panel: Panel, metric: str, ignored: Ignored) -> SchedulePanel:
    by_arm = [grouped(arm.records, lambda record: _shared(record, ignored)) for arm in panel.arms]
    runs: dict[Values, list[Record]] = {}
    for of_arm in by_arm:
        for key, its in of_arm.items():
            runs[key] = [*runs.get(key, []), *its]
    steps = {key: fmean(sum(r.data.cost.steps.values()) for r in its) for key, its in runs.items()}
    methods = {key: sum(key in of_arm for of_arm in by_arm) for key in runs}
    longest = max(runs, key=lambda key: (methods[key], steps[key]))
    names = _names(runs)
    schedules = {key: Schedule(names[key], steps[key], steps[key] / steps[longest]) for key in runs}
    ordered = sorted(schedules, key=lambda key: (steps[key], names[key]))
    return SchedulePanel(
        title=panel.title,
        schedules=tuple(schedules[key] for key in ordered),
        reference=schedules[longest],
        lines=tuple(
            _line(
                arm, {key: (schedules[key], of_arm[key]) for key in ordered if key in of_arm}, metric, ignored
            )
            for arm, of_arm in zip(panel.arms, by_arm, strict=True)
        ),
    )


def _names(runs: dict[Values, list[Record]]) -> dict[Values, str]:
    """Of each schedule its setting's name, where all its runs have one and no other schedule has it."""
    settings = {key: {record.cell.setting for record in its} for key, its in runs.items()}
    everywhere = set.intersection(*({*key} for key in runs))
    names = {}
    for key, own in settings.items():
        (setting,) = own if len(own) == 1 else (None,)
        elsewhere = {one for other, its in settings.items() if other != key for one in its}
        values = (f"{name.partition('.')[2]} {text}" for name, text in key if (name, text) not in everywhere)
        names[key] = setting if setting and setting not in elsewhere else ", ".join(values)
    return names


def _line(
    arm: Arm, runs: dict[Values, tuple[Schedule, list[Record]]], metric: str, ignored: Ignored
) -> MethodLine:
    check_one_engine(arm.records)
    points = []
    for schedule, its in runs.values():
        _check_one_schedule(arm, schedule, its, ignored)
        records = tuple(sorted(its, key=lambda record: record.seed))
        passes = fmean(record.passes for record in records)
        points.append(OnSchedule(schedule, records, passes, point_of(passes, records, metric)))
    return MethodLine(arm.name, arm.role, tuple(points))


def _check_one_schedule(arm: Arm, schedule: Schedule, records: Sequence[Record], ignored: Ignored) -> None:
    """What an augmenter has of the schedule is the same in all runs of a point."""

    def own(record: Record) -> dict[str, str]:
        return {name: text for name, text in values_in_force(record).items() if ignored(name)}

    first = records[0]
    for other in records[1:]:
        one, two = own(first), own(other)
        if differ := sorted(name for name in {*one, *two} if one.get(name) != two.get(name)):
            raise DataError(
                f"{first} and {other} are both {arm.name} on {schedule.name}, and differ in "
                f"{', '.join(differ)}: name the runs of one of them"
            )
