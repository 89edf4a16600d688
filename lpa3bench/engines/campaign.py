"""A suite from its plan to its end: trials and cells that are not searched first, then what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lpa3bench.engines.choosing import Choice, choose
from lpa3bench.engines.drive import Launcher, Outcome, Watch, drive
from lpa3bench.engines.engine import Engine
from lpa3bench.engines.plan import CellPlan, Planner
from lpa3bench.engines.runs import Run
from lpa3bench.interrupts import Interrupts


@dataclass(frozen=True)
class Result:
    """What became of a suite."""

    outcomes: tuple[Outcome, ...]
    bad_draws: tuple[Outcome, ...]
    """Trials that failed by themselves in a cell that could be chosen without them."""
    problems: dict[str, str]
    """Why a cell could not be run, by its text."""

    @property
    def failures(self) -> list[Outcome]:
        """The runs that should be done and are not."""
        return [o for o in self.outcomes if o.verdict in ("failed", "in use")]

    def count(self, verdict: str) -> int:
        """How many runs ended so."""
        return sum(outcome.verdict == verdict for outcome in self.outcomes)


def in_order(plans: Sequence[CellPlan]) -> list[Run]:
    """Trials first, for what they choose comes after them; then seed by seed, so that a suite that is stopped
    early has runs of all its cells to compare."""
    trials = [run for planned in plans for trial in planned.trials for run in trial.runs]
    return [*trials, *sorted((run for planned in plans for run in planned.runs), key=lambda run: run.seed)]


def carry_out(
    planner: Planner,
    plans: Sequence[CellPlan],
    engine: Engine,
    watch: Watch,
    interrupts: Interrupts,
    launch: Launcher,
) -> Result:
    """Do everything that is left to do.

    Raises:
        RunFailed: the disk refused a file of the suite's own.
    """
    first = in_order(plans)
    outcomes = drive(first, engine, watch, interrupts, launch)
    # A run that was killed, or lacked its data, says nothing of what was drawn.
    failed = {o.run.name: o.cause for o in outcomes if o.verdict == "failed" and o.code == 1}
    problems = {str(p): str(p.problem) for p in plans if p.problem}
    known = {run.name for run in first}
    second = []
    bad = set[str]()
    for planned in searched(planner, plans, failed, problems):
        if planned.trials and planned.runs:
            bad |= {run.name for trial in planned.trials for run in trial.runs} & failed.keys()
        second += [run for run in planned.runs if run.name not in known]
    if second and interrupts.received is None:
        outcomes += drive(second, engine, watch, interrupts, launch)
    return Result(
        tuple(o for o in outcomes if o.run.name not in bad),
        tuple(o for o in outcomes if o.run.name in bad),
        problems,
    )


def finished(plans: Sequence[CellPlan]) -> Result:
    """What became of a suite of which nothing is left to do."""
    runs = {run.name: run for planned in plans for run in planned.all_runs}
    problems = {str(p): str(p.problem) for p in plans if p.problem}
    return Result(tuple(Outcome(run, "done") for run in runs.values()), (), problems)


def searched(
    planner: Planner,
    plans: Sequence[CellPlan],
    failed: Mapping[str, str],
    problems: dict[str, str],
    *,
    save: bool = True,
) -> list[CellPlan]:
    """The plans, with the runs of every cell whose trials are over; without a choice, why goes to `problems`.

    Raises:
        RunFailed: what was chosen cannot be written down.
    """
    found = []
    for planned in plans:
        made = None if planned.runs else choose(planner, planned, failed)
        if isinstance(made, Choice):
            if save:
                made.save()
            planned = made.planned
        elif made is not None:
            problems[str(planned)] = made
        found.append(planned)
    return found
