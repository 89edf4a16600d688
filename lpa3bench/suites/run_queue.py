"""Runs through an engine: each one once, those that were killed again, those that others work on last."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lpa3bench.errors import ConfigError, DataError, FailureKind, InUse, PluginError, UsageError
from lpa3bench.runtime.files import ask_again
from lpa3bench.runtime.signals import Interrupts
from lpa3bench.suites.engine import EndedRun, Engine, Launch
from lpa3bench.suites.suite_run import SuiteRun
from lpa3bench.training.failure_file import Failure, read_failure

POLL_SECONDS = 0.05
RESTARTS = 2
"""How often a run that was killed is started again; one that fails by itself is not."""
HELD_SECONDS = 20.0
"""How long to wait in the end for runs that other processes work on: what a killed suite left ends soon."""
KIND_OF_EXIT_CODE: dict[int, FailureKind] = {
    error.exit_code: error.kind for error in (UsageError, ConfigError, DataError, PluginError, InUse)
}
"""What an exit code of `lpa3bench run` says by itself."""

RunStatus = Literal["done", "failed", "in use", "stopped"]


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run."""

    run: SuiteRun
    status: RunStatus
    cause: str = ""
    """For people, in one line."""
    code: int = 0
    """The exit status of its process."""
    seconds: float = 0.0
    """Wall-clock seconds that it took here; 0 where it was finished before."""
    share: float = 1.0
    """How much of the run was done in these seconds, in [0, 1]: less than all where it went on."""
    kind: FailureKind | None = None
    """What went wrong, for programs; None for a run that is done or was stopped."""


@dataclass(frozen=True)
class ActiveRun:
    """A run that was handed to the engine."""

    run: SuiteRun
    handed_in: float
    """When, by `time.monotonic`."""
    logged: int
    """Bytes of its log before that."""
    share_before: float = 0.0
    """How much of it was done by then, in [0, 1]."""
    since: float = 0.0
    """When its process was seen to have started; 0 while it is queued."""
    failure_before: Failure | None = None
    """What its directory told of an attempt before this one."""


@dataclass(frozen=True)
class SuiteProgress:
    """How far all of it is."""

    runs: Mapping[str, SuiteRun]
    """All that are known, by name."""
    outcomes: Sequence[RunOutcome]
    active: Sequence[ActiveRun]
    seconds: Mapping[str, float] = field(default_factory=dict)
    """That runs are expected to take, by name, where that is known."""
    later: Sequence[float | None] = ()
    """Likewise for the runs that a search has yet to choose, which come after all others."""

    @property
    def total(self) -> int:
        """How many runs there are."""
        return len(self.runs) + len(self.later)

    def count(self, status: RunStatus) -> int:
        """How many runs have this status."""
        return sum(outcome.status == status for outcome in self.outcomes)


class ProgressDisplay:
    """Shows how far a suite is. A subclass overrides what it cares about."""

    def show(self, progress: SuiteProgress) -> None:
        """Called several times a second."""

    def ended(self, outcome: RunOutcome, progress: SuiteProgress) -> None:
        """Called for each run when it is over."""

    def close(self) -> None:
        """Free the terminal."""


class RunQueue:
    """Does runs, as many at once as the engine takes.

    A signal stops those under way and starts no other.

    Args:
        launch: says how a run is started.
    """

    def __init__(
        self,
        engine: Engine,
        display: ProgressDisplay,
        interrupts: Interrupts,
        launch: Callable[[SuiteRun], Launch],
    ) -> None:
        self._engine = engine
        self._display = display
        self._interrupts = interrupts
        self._launch = launch
        self._progress = SuiteProgress({}, [], [])
        self._waiting = deque[SuiteRun]()
        self._held = deque[SuiteRun]()
        """Those that others work on."""
        self._active: dict[str, ActiveRun] = {}
        self._kills = Counter[str]()
        self._held_until = 0.0
        self._stopping = False

        self.outcomes: list[RunOutcome] = []
        """What became of each, in the order in which they ended."""

    def run_all(
        self, runs: Sequence[SuiteRun], seconds: Mapping[str, float], later: Sequence[float | None] = ()
    ) -> None:
        """Do these runs, of which those that an earlier call was given are left out.

        Args:
            seconds, later: as `SuiteProgress` has them.
        """
        known = self._progress.runs
        new = {run.name: run for run in runs if run.name not in known}  # two cells may come to the same run
        self._progress = SuiteProgress({**known, **new}, self.outcomes, [], seconds, later)
        self._waiting.extend(new.values())
        self._held_until = 0.0
        while self._waiting or self._active or self._held:
            if self._interrupts.received is not None:
                self._stop(self._interrupts.received)
            while self._waiting and self._engine.has_room():
                self._start(self._waiting.popleft())
            for ended in self._engine.poll():
                self._collect(self._active.pop(ended.name), ended)
            if self._held and not self._waiting and not self._active:
                self._look_at_held()
            self._active = {name: _started(one) for name, one in self._active.items()}
            self._display.show(self._now())
            time.sleep(POLL_SECONDS)

    def _now(self) -> SuiteProgress:
        return replace(self._progress, active=[*self._active.values()])

    def _settle(self, outcome: RunOutcome) -> None:
        self.outcomes.append(outcome)
        self._display.ended(outcome, self._now())

    def _stop(self, number: int) -> None:
        """Start nothing more, and pass the signal on, once."""
        if not self._stopping:
            self._stopping = True
            self._engine.stop(number)
        for run in (*self._waiting, *self._held):
            self._settle(RunOutcome(run, "stopped"))
        self._waiting.clear()
        self._held.clear()

    def _start(self, run: SuiteRun) -> None:
        """Hand it to the engine, unless it is done or others work on it."""
        if run.state == "done":  # before, or just now by another suite
            self._settle(RunOutcome(run, "done"))
        elif (known := self._engine.holds(run.name)) or not run.folder.in_use():
            self._active[run.name] = ActiveRun(
                run,
                time.monotonic(),
                0 if known else _size(run),
                run.share_done,
                failure_before=read_failure(run.folder.failure),
            )
            self._engine.submit(run.name, self._launch(run))
        else:
            self._held.append(run)

    def _collect(self, active: ActiveRun, ended: EndedRun) -> None:
        """Settle what has ended, or try it again."""
        outcome = _outcome(active, ended)
        if self._stopping and outcome.status != "done":
            self._settle(RunOutcome(active.run, "stopped"))
        elif outcome.status == "in use" or (outcome.status == "failed" and active.run.folder.in_use()):
            self._held.append(active.run)  # what becomes of it is up to who works on it now
        elif outcome.status == "failed" and _killed(ended) and self._kills[ended.name] < RESTARTS:
            self._kills[ended.name] += 1
            self._waiting.append(active.run)
        else:
            self._settle(outcome)

    def _look_at_held(self) -> None:
        """Take up what others have left by now; give up the rest when there was time enough."""
        now = time.monotonic()
        self._held_until = self._held_until or now + HELD_SECONDS
        free = [run for run in self._held if not run.folder.in_use()]
        self._waiting.extend(free)
        self._held = deque(run for run in self._held if run not in free)
        if not free and now > self._held_until:
            for run in self._held:
                error = InUse(run.folder.path)
                self._settle(RunOutcome(run, "in use", str(error), error.exit_code, kind=error.kind))
            self._held.clear()


def launch_from_here(environment: dict[str, str]) -> Callable[[SuiteRun], Launch]:
    """Runs start in this process's folder, with this added to the environment."""

    def launch(run: SuiteRun) -> Launch:
        folder, log = (str(path.absolute()) for path in (run.folder.path, run.log))
        return Launch(run.arguments, environment, str(Path.cwd()), log, folder)

    return launch


def _size(run: SuiteRun) -> int:
    try:
        return run.log.stat().st_size
    except OSError:
        return 0


def _started(one: ActiveRun) -> ActiveRun:
    """With the time, once its process is seen: an engine may have queued it."""
    if one.since or _size(one.run) <= one.logged:
        return one
    return replace(one, since=time.monotonic())


def _killed(ended: EndedRun) -> bool:
    """Whether a signal ended it, at once or (as SIGTERM does) when it had time to stop."""
    return ended.code < 0 or ended.code > 128


def _outcome(active: ActiveRun, ended: EndedRun) -> RunOutcome:
    """Done is what the run directory says is done; the exit status only says why there is no record."""
    seconds = time.monotonic() - (active.since or active.handed_in)
    ask_again(active.run.folder.path)
    if active.run.is_finished:
        return RunOutcome(active.run, "done", seconds=seconds, share=1 - active.share_before)
    kind = _failure_kind(active, ended)
    if kind == "in_use":
        return RunOutcome(active.run, "in use", ended.cause, ended.code, seconds, kind=kind)
    cause = ended.cause
    if ended.code == 0:
        cause = (
            "it ended under another name: the source of a plugin or of the engine has changed; start again"
        )
    return RunOutcome(active.run, "failed", cause, ended.code, seconds, kind=kind)


def _failure_kind(active: ActiveRun, ended: EndedRun) -> FailureKind:
    """What went wrong: as the engine says, else `failure.json`, else the exit code.

    A `failure.json` of an attempt before this one, or one that another process wrote meanwhile, does not
    count: a run that never held its directory's lock has nothing but its exit code.
    """
    if ended.kind is not None:
        return ended.kind
    failure = read_failure(active.run.folder.failure)
    if failure is not None and failure != active.failure_before and failure.exit_code == ended.code:
        return failure.kind
    return "killed" if ended.code < 0 else KIND_OF_EXIT_CODE.get(ended.code, "other")
