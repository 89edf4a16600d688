"""Which trial of a search was the best, from the records of its runs alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from lpa3bench.errors import DataError, RunFailed
from lpa3bench.records import Record, searches
from lpa3bench.records.summary import column
from lpa3bench.runtime.counting import counted
from lpa3bench.runtime.files import digest
from lpa3bench.suites import Search, binding_texts
from lpa3bench.suites.plan import CellPlan, Planner, SearchTrial

if TYPE_CHECKING:
    from lpa3bench.api import Metric


@dataclass(frozen=True)
class ScoredTrial:
    """A trial that is over."""

    trial: SearchTrial
    score: float | None
    """Mean over its seeds; None where one of its runs failed, or a score of them is undefined."""
    failed: str | None
    """Why a run failed."""


def choose_trial(planner: Planner, planned: CellPlan, failed: Mapping[str, str]) -> SearchChoice | None:
    """The best trial and the runs that follow it; None where there is nothing to choose, or not yet.

    A draw that diverged is a bad one. It is not tried again once the search is over: the file of the search
    names it, and the plan has its trial no more.

    Args:
        failed: causes by the names of runs that have diverged since the suite was started.

    Raises:
        RunFailed: no trial has a score, or the record of one is damaged.
    """
    search = planner.suite.search
    if search is None or not planned.trials:
        return None
    tried = _scored_trials(planned, search, {**_failed_before(_path(planner.out, search, planned)), **failed})
    if tried is None:
        return None
    winner = _best(tried, higher_is_better=_selecting(planned).higher_is_better)
    if winner is None:
        causes = [one.failed for one in tried if one.failed]
        why = f"; one says: {causes[0]}" if causes else ""
        raise RunFailed(f"none of its {counted(len(tried), 'trial')} has a score{why}")
    return _choice(planner, planned, tried, winner)


def _scored_trials(
    planned: CellPlan, search: Search, failed: Mapping[str, str]
) -> tuple[ScoredTrial, ...] | None:
    """Every trial with its score; None while one of them is neither finished nor failed."""
    tried, metric = [], _selecting(planned)
    for trial in planned.trials:
        cause = next((failed[run.name] for run in trial.runs if run.name in failed), None)
        if cause is None and any(run.state != "done" for run in trial.runs):
            return None
        scores = [] if cause else [_score(run.folder.record(), metric, search) for run in trial.runs]
        known = [score for score in scores if score is not None]
        tried.append(ScoredTrial(trial, mean(known) if known and len(known) == len(scores) else None, cause))
    return tuple(tried)


def _selecting(planned: CellPlan) -> Metric:
    """The metric that the cell's runs select by."""
    return planned.loaded.config.experiment().selecting


def _score(record: Record | None, metric: Metric, search: Search) -> float | None:
    """The validation score of a run, of its last epoch or of its best."""
    curve = record.curve if record else ()
    scores = [row.get(column("val", metric.name)) for row in curve]
    if not scores:
        return None
    known = [score for score in scores if score is not None]
    choose = max if metric.higher_is_better else min
    return scores[-1] if search.epoch == "last" else choose(known, default=None)


def _best(tried: Sequence[ScoredTrial], *, higher_is_better: bool) -> ScoredTrial | None:
    """The one with the best score, the first of equals; None where no trial has one."""
    sign = 1 if higher_is_better else -1
    scored = {one.trial.number: sign * one.score for one in tried if one.score is not None}
    if not scored:
        return None
    number = max(scored, key=lambda number: (scored[number], -number))
    return next(one for one in tried if one.trial.number == number)


@dataclass(frozen=True)
class SearchChoice:
    """The cell with the runs of its best trial, and what the file of its search is to hold."""

    planned: CellPlan
    """With the winner's runs, on the suite's seeds and all training images."""
    path: Path
    data: dict[str, Any]

    def save(self) -> None:
        """Write the file, before anything is run: without it a tuned run would pass for one that was not.

        Raises:
            RunFailed: the disk refused it.
        """
        searches.write_search(self.path, self.data)


def _choice(
    planner: Planner, planned: CellPlan, tried: Sequence[ScoredTrial], winner: ScoredTrial
) -> SearchChoice:
    """The cell with the winner's values."""
    search, loaded = planner.suite.search, planned.loaded
    assert search is not None
    cell = loaded.with_values(binding_texts(winner.trial.values))
    runs = planner.runs(cell, cell.load(planner.registry), planner.suite.seeds)
    data = {
        "cell": str(loaded.cell),
        "name": planned.name,
        **search.as_data(),
        "holdout": planned.holdout,
        "ranges": {name: [r.kind, *r.items] for name, r in search.ranges if name in loaded.ranges},
        "tried": [
            {
                "values": one.trial.values,
                "runs": [run.name for run in one.trial.runs],
                "score": one.score,
                "failed": one.failed,
            }
            for one in tried
        ],
        "chosen": winner.trial.number,
        "values": winner.trial.values,
        "runs": [run.name for run in runs],
    }
    good = tuple(one.trial for one in tried if one.failed is None)
    return SearchChoice(replace(planned, runs=runs, trials=good), _path(planner.out, search, planned), data)


def _failed_before(path: Path) -> dict[str, str]:
    """Causes by the names of the runs of bad draws, from the file of an earlier search, if there is one."""
    try:
        tried = searches.read_search(path).data["tried"]
    except DataError:  # not there, or damaged: it is searched and written again
        return {}
    return {name: str(one["failed"]) for one in tried if one.get("failed") for name in one["runs"]}


def _path(out: Path, search: Search, planned: CellPlan) -> Path:
    """Another file for each cell and each search."""
    parts = (planned.identity, str(planned.loaded.cell), repr(search.as_data()))
    return out / searches.SEARCH_FOLDER / f"{digest(*(part.encode() for part in parts))[:8]}.json"
