"""A suite from its plan to its end: first trials and cells that are not searched, then what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lpa3bench.errors import BenchError
from lpa3bench.suites.forecast import SuiteForecast
from lpa3bench.suites.plan import CellPlan, Planner
from lpa3bench.suites.run_queue import RunOutcome, RunQueue, RunStatus
from lpa3bench.suites.search_choice import choose_trial
from lpa3bench.suites.suite_run import SuiteRun


@dataclass(frozen=True)
class SuiteResult:
    """What became of a suite."""

    outcomes: tuple[RunOutcome, ...]
    """In the order of the suite's cells, whichever ended first."""
    bad_draws: tuple[RunOutcome, ...]
    """Trials that diverged in a cell that could be chosen without them."""
    problems: dict[str, str]
    """Why a cell could not be run, by its text."""

    @property
    def failures(self) -> list[RunOutcome]:
        """The runs that should be done and are not."""
        return [o for o in self.outcomes if o.status in ("failed", "in use")]

    def count(self, status: RunStatus) -> int:
        """How many runs have this status."""
        return sum(outcome.status == status for outcome in self.outcomes)


def _in_order(plans: Sequence[CellPlan]) -> list[SuiteRun]:
    """Trials first, for what they choose comes after them; then seed by seed, so that a suite that is stopped
    early has runs of all its cells to compare."""
    trials = [run for planned in plans for trial in planned.trials for run in trial.runs]
    return [*trials, *sorted((run for planned in plans for run in planned.runs), key=lambda run: run.seed)]


def run_suite(
    planner: Planner, plans: Sequence[CellPlan], forecast: SuiteForecast, queue: RunQueue
) -> SuiteResult:
    """Do all runs, those that a search chooses when its trials are over."""
    later = forecast.of_unchosen(plans, planner.suite.seeds)
    queue.run_all(_in_order(plans), forecast.of_runs(plans), later)
    failed = {
        outcome.run.name: outcome.cause
        for outcome in queue.outcomes
        if outcome.kind == "diverged"  # its values were bad ones; any other failure may be the machine's
    }
    tried = {run.name for planned in plans for trial in planned.trials for run in trial.runs}
    plans = with_chosen_runs(planner, plans, failed)
    queue.run_all(_in_order(plans), forecast.of_runs(plans))
    place = {run.name: at for at, run in enumerate(run for planned in plans for run in planned.all_runs)}
    bad = (tried & failed.keys()) - place.keys()
    outcomes = sorted(queue.outcomes, key=lambda outcome: place.get(outcome.run.name, len(place)))
    return SuiteResult(
        tuple(o for o in outcomes if o.run.name not in bad),
        tuple(o for o in queue.outcomes if o.run.name in bad),
        _problems(plans),
    )


def finished_result(plans: Sequence[CellPlan]) -> SuiteResult:
    """What became of a suite of which nothing is left to do."""
    runs = {run.name: run for planned in plans for run in planned.all_runs}
    return SuiteResult(tuple(RunOutcome(run, "done") for run in runs.values()), (), _problems(plans))


def _problems(plans: Sequence[CellPlan]) -> dict[str, str]:
    return {str(planned): str(planned.problem) for planned in plans if planned.problem}


def with_chosen_runs(
    planner: Planner, plans: Sequence[CellPlan], failed: Mapping[str, str], *, save: bool = True
) -> list[CellPlan]:
    """The plans, with the runs of every cell whose trials are over, or why there is no choice.

    Args:
        failed: as `choose_trial` takes it.
        save: whether the files of searches are written.
    """
    found = []
    for planned in plans:
        try:
            made = choose_trial(planner, planned, failed) if planned.is_unchosen else None
            if made is not None:
                if save:
                    made.save()
                planned = made.planned
        except BenchError as error:  # the other cells go on
            planned = replace(planned, problem=error)
        found.append(planned)
    return found
