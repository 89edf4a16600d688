"""Runs through an engine: each one once, those that were killed again, those that others work on last."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from lpa3bench.engines.engine import Ended, Engine
from lpa3bench.engines.launch import Launch
from lpa3bench.engines.runs import Run
from lpa3bench.interrupts import Interrupts
from lpa3bench.rundir import IN_USE

POLL_SECONDS = 0.1
RETRIES = 2
"""How often a run that was killed is started again; one that fails by itself is not."""
ORPHAN_SECONDS = 20.0
"""How long to wait in the end for runs that other processes work on: what a killed suite left ends soon."""

Verdict = Literal["done", "failed", "in use", "stopped"]


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    run: Run
    verdict: Verdict
    cause: str = ""
    """In one line."""
    code: int = 0
    """The exit status of its process."""
    seconds: float = 0.0
    """Wall-clock seconds that it took here; 0 where it was finished before."""


@dataclass(frozen=True)
class Active:
    """A run that was handed to the engine."""

    run: Run
    handed_in: float
    """When, by `time.monotonic`."""
    logged: int
    """Bytes of its log before that."""
    since: float = 0.0
    """When its process was seen to have started; 0 while it is queued."""


@dataclass(frozen=True)
class Progress:
    """How far all of it is."""

    total: int
    outcomes: Sequence[Outcome]
    active: Sequence[Active]

    def count(self, verdict: Verdict) -> int:
        """How many runs ended so."""
        return sum(outcome.verdict == verdict for outcome in self.outcomes)


class Watch(Protocol):
    """Shows progress."""

    def show(self, progress: Progress) -> None:
        """Called several times a second."""

    def ended(self, outcome: Outcome, progress: Progress) -> None:
        """A run is over."""


def drive(
    runs: Sequence[Run], engine: Engine, watch: Watch, interrupts: Interrupts, launch: Launcher
) -> list[Outcome]:
    """Do all runs, and say what became of each. A signal stops those under way and starts no other."""
    waiting = deque({run.name: run for run in runs}.values())  # two cells may come to the same run
    total, held = len(waiting), deque[Run]()
    active: dict[str, Active] = {}
    outcomes: list[Outcome] = []
    kills = Counter[str]()
    patience = 0.0
    stopping = False

    def settle(outcome: Outcome) -> None:
        outcomes.append(outcome)
        watch.ended(outcome, Progress(total, outcomes, [*active.values()]))

    while waiting or active or held:
        # ------------------------------------------------------------------------------ told to stop?
        if interrupts.received is not None and not stopping:
            stopping = True
            engine.stop(interrupts.received)
            for run in (*waiting, *held):
                settle(Outcome(run, "stopped"))
            waiting.clear()
            held.clear()

        # ------------------------------------------------------------------------------------ start
        while waiting and engine.has_room():
            run = waiting.popleft()
            if run.state == "done":  # before, or just now by another suite
                settle(Outcome(run, "done"))
            elif run.folder.in_use():
                held.append(run)
            else:
                active[run.name] = Active(run, time.monotonic(), _size(run))
                engine.submit(run.name, launch(run))

        # ------------------------------------------------------------------------------ what has ended
        for ended in engine.poll():
            was = active.pop(ended.name)
            outcome = _outcome(was, ended)
            if stopping and outcome.verdict != "done":
                settle(Outcome(was.run, "stopped"))
            elif outcome.verdict == "in use":
                held.append(was.run)
            elif ended.code < 0 and kills[ended.name] < RETRIES:
                kills[ended.name] += 1
                waiting.append(was.run)
            else:
                settle(outcome)

        # --------------------------------------------------------------- what others are working on
        if held and not waiting and not active:
            now = time.monotonic()
            patience = patience or now + ORPHAN_SECONDS
            free = [run for run in held if not run.folder.in_use()]
            waiting.extend(free)
            held = deque(run for run in held if run not in free)
            if not free and now > patience:
                for run in held:
                    settle(Outcome(run, "in use", f"{run.folder.path}: {IN_USE}"))
                held.clear()

        active = {name: _started(one) for name, one in active.items()}
        watch.show(Progress(total, outcomes, [*active.values()]))
        time.sleep(POLL_SECONDS)
    return outcomes


class Launcher(Protocol):
    """Says how a run is started."""

    def __call__(self, run: Run) -> Launch: ...


def launcher(environment: dict[str, str]) -> Launcher:
    """Runs start in this process's folder, with this added to the environment."""

    def launch(run: Run) -> Launch:
        return Launch(run.arguments, environment, str(Path.cwd()), str(run.log.absolute()))

    return launch


def _size(run: Run) -> int:
    return run.log.stat().st_size if run.log.exists() else 0


def _started(one: Active) -> Active:
    """With the time, once its process is seen: an engine may have queued it."""
    if one.since or _size(one.run) <= one.logged:
        return one
    return replace(one, since=time.monotonic())


def _outcome(was: Active, ended: Ended) -> Outcome:
    """What the run directory says goes; the exit status only tells why there is no record."""
    seconds = time.monotonic() - (was.since or was.handed_in)
    if was.run.folder.result.exists():
        return Outcome(was.run, "done", seconds=seconds)
    if ended.cause.endswith(IN_USE):
        return Outcome(was.run, "in use", ended.cause, ended.code, seconds)
    cause = ended.cause
    if ended.code == 0:
        cause = (
            "it ended under another name: the source of a plugin or of the engine has changed; start again"
        )
    return Outcome(was.run, "failed", cause, ended.code, seconds)
