"""A suite before it runs, as text and for JSON; and what became of its runs, for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lpa3bench.errors import printable
from lpa3bench.runtime.counting import counted
from lpa3bench.runtime.duration import about, duration
from lpa3bench.suites import Suite
from lpa3bench.suites.forecast import SuiteForecast, seconds_left, seconds_together
from lpa3bench.suites.plan import CellPlan, is_pending
from lpa3bench.suites.run_queue import RunOutcome
from lpa3bench.suites.suite_run import SuiteRun


@dataclass(frozen=True)
class SuiteOverview:
    """What a suite is to do, and how long that will take."""

    suite: Suite
    plans: Sequence[CellPlan]
    forecast: SuiteForecast
    capacity: int
    """How many runs are under way at once; 0 where none is to be."""

    @property
    def runs(self) -> list[SuiteRun]:
        """Every run that has a name by now, each once."""
        return [*{run.name: run for planned in self.plans for run in planned.all_runs}.values()]

    @property
    def unchosen(self) -> int:
        """Runs that have no name before a search is over."""
        return len(self.suite.seeds) * sum(p.is_unchosen for p in self.plans)

    @property
    def is_pending(self) -> bool:
        """Whether anything is left to do."""
        return is_pending(self.plans)

    @property
    def seconds(self) -> float | None:
        """Of all that is left, one after the other; None where nothing is known of a cell."""
        return None if (left := self._left()) is None else sum(map(sum, left))

    @property
    def seconds_range(self) -> tuple[float, float] | None:
        """The least and the most that `seconds` may be."""
        ends = [self._left(side) for side in (-1, 1)]
        low, high = (None if left is None else sum(map(sum, left)) for left in ends)
        return None if low is None or high is None else (low, high)

    def _left(self, side: int = 0) -> tuple[list[float], list[float]] | None:
        """Seconds of each run that is left, and of each that is chosen when those are over.

        `side`: at the least (−1), as expected (0), at the most (1).
        """
        forecast = self.forecast.at(side)
        seconds = forecast.of_runs(self.plans)
        later = forecast.of_unchosen(self.plans, self.suite.seeds)
        known = [one for one in later if one is not None]
        if len(known) < len(later) or any(r.name not in seconds for r in self.runs if r.state != "done"):
            return None
        return seconds_left(self.runs, seconds), known

    def as_data(self) -> dict[str, Any]:
        return {
            "counts": self._counts(),
            "seconds": self.seconds,
            "seconds_range": self.seconds_range,
            "busy": self.forecast.busy,
            "workers": self.capacity,
            "cells": [
                {
                    "cell": str(p),
                    "seconds": self.forecast.seconds.get(str(p)),
                    "problem": str(p.problem) if p.problem else None,
                    "trials": [_run_data(run) for trial in p.trials for run in trial.runs],
                    "runs": [_run_data(run) for run in p.runs],
                }
                for p in self.plans
            ],
        }

    def _counts(self) -> dict[str, int]:
        states = Counter(run.state for run in self.runs)
        return {"done": states["done"], "resumable": states["begun"], "to do": states["new"] + self.unchosen}

    def text(self) -> str:
        """For people: the counts, the forecast, and a line for each cell."""
        counts = self._counts()
        trials = sum(len(trial.runs) for p in self.plans for trial in p.trials)
        whole = sum(counts.values()) - trials == len(self.suite.cells) * len(self.suite.seeds)
        lines = [f"runs       {sum(counts.values())}{':' if whole else ', of'} {self.suite.size}"]
        if self.suite.search is not None:
            searched = sum(bool(p.trials) for p in self.plans)
            lines.append(f"search     {self.suite.search.size}, in {searched} of the cells")
        lines += [f"{name:<11}{count}" for name, count in counts.items()]
        if stuck := sum(p.problem is not None for p in self.plans):
            runs = counted(stuck * len(self.suite.seeds), "run")
            lines.append(f"cannot run {runs} of {counted(stuck, 'cell')}, see below")
        lines.append(f"forecast   {self._forecast()}")
        lines += ["", f"{'done':>6} {'begun':>6} {'new':>6} {'s a run':>8}  cell"]
        lines += map(self._row, self.plans)
        problems = {str(p): str(p.problem) for p in self.plans if p.problem}
        lines += [""] * bool(problems)
        lines += (f"cannot run: {line}" for line in told_once(problems))
        return "\n".join(map(printable, lines))

    def _row(self, planned: CellPlan) -> str:
        states = Counter(run.state for run in planned.all_runs)
        seconds = self.forecast.seconds.get(str(planned))
        shown = "–" if seconds is None else f"{seconds:.0f}"
        counts = f"{states['done']:>6} {states['begun']:>6} {states['new']:>6} {shown:>8}"
        remark = "  (cannot run)" if planned.problem else "  (to be searched)" if planned.is_unchosen else ""
        return f"{counts}  {planned}{remark}"

    def _forecast(self) -> str:
        left = self._left()
        if left is None:
            return "unknown: nothing is measured or timed yet"
        stuck = any(plan.problem for plan in self.plans)
        if not self.is_pending:
            return "nothing that can run is left to do" if stuck else "nothing is left to do"
        low, whole, high = (self._together(side) for side in (-1, 0, 1))
        end = datetime.now().astimezone() + timedelta(seconds=whole)
        at_once = f"{self.capacity} at a time" if self.capacity > 1 else "one after the other"
        left_for = f"{about(low, whole, high)}, until {end:%a %d %b %H:%M}"
        f = self.forecast
        by = {"measured": f.measured, "from timed steps": f.timed, "guessed from others": f.guessed}
        known = ", ".join(f"{what}: {count}" for what, count in by.items() if count)
        busy = f"; {f.busy}" if f.busy else ""
        runs = f"{duration(sum(map(sum, left)))} of runs{', without those that cannot run' * stuck}"
        return f"{left_for}; {runs}, {at_once} (cells {known}){busy}"

    def _together(self, side: int) -> float:
        """Seconds until all is done."""
        return sum(seconds_together(phase, self.capacity) for phase in self._left(side) or ())


def told_once(problems: Mapping[str, str]) -> list[str]:
    """What keeps cells from running, each reason once: with its cell, or how many there are.

    Args:
        problems: by the cell.
    """
    cells: dict[str, list[str]] = {}
    for cell, problem in problems.items():
        cells.setdefault(problem, []).append(cell)
    return [
        f"{its[0]}: {problem}" if len(its) == 1 else f"{len(its)} cells, {its[0]} the first: {problem}"
        for problem, its in cells.items()
    ]


def _run_data(run: SuiteRun) -> dict[str, Any]:
    return {"name": run.name, "seed": run.seed, "state": run.state, "folder": str(run.folder.path)}


def outcome_data(outcome: RunOutcome) -> dict[str, Any]:
    run = outcome.run
    return {
        "name": run.name,
        "cell": run.cell,
        "seed": run.seed,
        "folder": str(run.folder.path),
        "status": outcome.status,
        "kind": outcome.kind,
        "cause": outcome.cause or None,
        "exit_code": outcome.code,
        "seconds": round(outcome.seconds, 1),
    }
