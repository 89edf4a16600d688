"""A suite from its plan to its end: trials and cells that are not searched first, then what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lpa3bench.errors import BenchError
from lpa3bench.suites.forecast import Forecast
from lpa3bench.suites.plan import CellPlan, Planner
from lpa3bench.suites.queue import Drive, Outcome
from lpa3bench.suites.search_choice import choose
from lpa3bench.suites.suite_run import Run


@dataclass(frozen=True)
class Result:
    """What became of a suite."""

    outcomes: tuple[Outcome, ...]
    bad_draws: tuple[Outcome, ...]
    """Trials that diverged in a cell that could be chosen without them."""
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


def carry_out(planner: Planner, plans: Sequence[CellPlan], forecast: Forecast, drive: Drive) -> Result:
    """Do everything that is left to do."""
    later = forecast.of_unchosen(plans, planner.suite.seeds)
    drive.do(in_order(plans), forecast.of_runs(plans), later)
    failed = {
        outcome.run.name: outcome.cause
        for outcome in drive.outcomes
        if outcome.kind == "diverged"  # its values were bad ones; any other failure may be the machine's
    }
    tried = {run.name for planned in plans for trial in planned.trials for run in trial.runs}
    plans = searched(planner, plans, failed)
    drive.do(in_order(plans), forecast.of_runs(plans))
    bad = (tried & failed.keys()) - {run.name for planned in plans for run in planned.all_runs}
    return Result(
        tuple(o for o in drive.outcomes if o.run.name not in bad),
        tuple(o for o in drive.outcomes if o.run.name in bad),
        _problems(plans),
    )


def finished(plans: Sequence[CellPlan]) -> Result:
    """What became of a suite of which nothing is left to do."""
    runs = {run.name: run for planned in plans for run in planned.all_runs}
    return Result(tuple(Outcome(run, "done") for run in runs.values()), (), _problems(plans))


def _problems(plans: Sequence[CellPlan]) -> dict[str, str]:
    return {str(planned): str(planned.problem) for planned in plans if planned.problem}


def searched(
    planner: Planner, plans: Sequence[CellPlan], failed: Mapping[str, str], *, save: bool = True
) -> list[CellPlan]:
    """The plans, with the runs of every cell whose trials are over, or why there is no choice.

    Args:
        failed: as `choose` takes it.
        save: whether what was chosen is written down.
    """
    found = []
    for planned in plans:
        try:
            made = choose(planner, planned, failed) if planned.is_unchosen else None
            if made is not None:
                if save:
                    made.save()
                planned = made.planned
        except BenchError as error:  # the others go on
            planned = replace(planned, problem=error)
        found.append(planned)
    return found
