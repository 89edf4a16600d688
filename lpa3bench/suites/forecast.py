"""How long the runs of a cell take: by its finished runs, else by a few timed steps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

import msgspec

from lpa3bench.errors import RunFailed
from lpa3bench.runtime.duration import TIMED_DOUBT, busy
from lpa3bench.runtime.files import write_text
from lpa3bench.suites import timing
from lpa3bench.suites.plan import CellPlan
from lpa3bench.suites.suite_run import SuiteRun

START_SECONDS = 5.0
"""Of a process before its first step."""
AVERAGED_RUNS = 3
"""Finished runs of a cell that are averaged."""
MEASURED_DOUBT, GUESSED_DOUBT = 1.1, 2.0
"""Times as long, or as short, that a run may take: where others of its cell are finished, and where it is
taken to be like other cells. `TIMED_DOUBT` where steps of it were timed."""
TIMING_SECONDS = 20.0
"""For timed steps, of all cells together: cells for which no time is left are taken to be like the others."""


@dataclass(frozen=True)
class SuiteForecast:
    """Seconds of a run of each cell, by the cell's name in the plan."""

    seconds: dict[str, float]
    measured: int
    """Cells whose finished runs were looked at."""
    timed: int
    """Cells of which some steps were timed, now or earlier."""
    guessed: int
    """Cells that are taken to be like the others."""
    doubt: dict[str, float] = field(default_factory=dict)
    """Times as long, or as short, that a run of a cell may take."""
    busy: str | None = None
    """What else the machine did while steps were timed."""

    def at(self, side: int) -> SuiteForecast:
        """The shortest (−1) or the longest (1) that it may be."""
        seconds = {cell: s * self.doubt.get(cell, 1.0) ** side for cell, s in self.seconds.items()}
        return replace(self, seconds=seconds)

    def of_runs(self, plans: Sequence[CellPlan]) -> dict[str, float]:
        """Seconds of each run as a whole, by its name, where they are known."""
        cells = ((self.seconds[str(p)], p) for p in plans if str(p) in self.seconds)
        return {run.name: seconds for seconds, planned in cells for run in planned.all_runs}

    def of_unchosen(self, plans: Sequence[CellPlan], seeds: Sequence[int]) -> list[float | None]:
        """Seconds of each run that a search has yet to choose; None where they are not known."""
        return [self.seconds.get(str(p)) for p in plans if p.is_unchosen for _ in seeds]


def seconds_left(runs: Iterable[SuiteRun], seconds: Mapping[str, float]) -> list[float]:
    """Seconds that each of these runs will still take, unless it is done."""
    todo = ((run, seconds.get(run.name, 0.0)) for run in runs if run.state != "done")
    return [whole * (1 - run.share_done) for run, whole in todo]


def seconds_together(seconds: Sequence[float], capacity: int) -> float:
    """Seconds that runs take of which so many are under way at once: at least as long as the longest."""
    return max(sum(seconds) / capacity, max(seconds, default=0.0))


def forecast_suite(
    plans: Sequence[CellPlan],
    *,
    data: Path,
    device: str,
    threads: int,
    cache: Path,
    plugins: Sequence[Path] = (),
    time_steps: bool = True,
) -> SuiteForecast:
    """By finished runs; where a cell has none, by timing some of its steps.

    Args:
        threads: of PyTorch in each run.
        cache: the folder in which timed seconds are kept.
        time_steps: whether steps are to be timed where nothing else is known.
    """
    known = _KnownSeconds(cache / "forecasts.json")
    measured = {str(p): seconds for p in plans if (seconds := _measured(p)) is not None}
    keys = {
        str(p): f"{p.identity} {device} {threads}" for p in plans if not p.problem and str(p) not in measured
    }
    new = {
        keys[str(p)]: p.loaded.whole for p in plans if str(p) in keys and keys[str(p)] not in known.seconds
    }
    load = busy() if new and time_steps else None
    if time_steps:
        training = timing.time_cells(
            [*new.values()], data=data, device=device, threads=threads, plugins=plugins, budget=TIMING_SECONDS
        )
        for key, seconds in zip(new, training, strict=False):
            known.seconds[key] = None if seconds is None else START_SECONDS + seconds
        known.save()
    timed = {cell: seconds for cell, key in keys.items() if (seconds := known.seconds.get(key)) is not None}
    found = {**measured, **timed}
    rest = [p for p in plans if not p.problem and str(p) not in found]
    guessed = {str(p): _mean_of_similar(p, plans, found) for p in rest} if found else {}
    doubt = (
        dict.fromkeys(measured, MEASURED_DOUBT)
        | dict.fromkeys(timed, TIMED_DOUBT)
        | dict.fromkeys(guessed, GUESSED_DOUBT)
    )
    return SuiteForecast({**guessed, **found}, len(measured), len(timed), len(guessed), doubt, load)


def _measured(planned: CellPlan) -> float | None:
    """The mean of some finished runs, which were made on this machine or another."""
    seconds: list[float] = []
    for run in planned.all_runs:
        if len(seconds) == AVERAGED_RUNS:
            break
        with suppress(RunFailed):
            if (record := run.folder.record()) is not None:
                seconds.append(START_SECONDS + sum(record.data.cost.wall_seconds.values()))
    return mean(seconds) if seconds else None


def _mean_of_similar(planned: CellPlan, plans: Sequence[CellPlan], found: dict[str, float]) -> float:
    """The mean over the cells of the same config file, else over all."""
    file = planned.loaded.cell.files[0]
    near = [found[str(p)] for p in plans if p.loaded.cell.files[0] == file and str(p) in found]
    return mean(near or found.values())


class _KnownSeconds:
    """Seconds timed earlier. A file that cannot be read or written is ignored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: dict[str, float | None] = {}
        with suppress(OSError, ValueError, RecursionError):
            self.seconds = msgspec.json.decode(path.read_bytes(), type=dict[str, float | None])
        self._before = dict(self.seconds)

    def save(self) -> None:
        if self.seconds == self._before:
            return
        with suppress(OSError, RunFailed):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.path, json.dumps(self.seconds, indent=1) + "\n")
