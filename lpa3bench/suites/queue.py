"""Runs through an engine: each one once, those that were killed again, those that others work on last."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

from lpa3bench.errors import ConfigError, DataError, FailureKind, InUse, PluginError, UsageError
from lpa3bench.runtime.signals import Interrupts
from lpa3bench.suites.engine import Ended, Engine
from lpa3bench.suites.launch import Launch
from lpa3bench.suites.suite_run import Run
from lpa3bench.training.failure_file import Failure, read_failure

POLL_SECONDS = 0.1
RETRIES = 2
"""How often a run that was killed is started again; one that fails by itself is not."""
ORPHAN_SECONDS = 20.0
"""How long to wait in the end for runs that other processes work on: what a killed suite left ends soon."""

KINDS: dict[int, FailureKind] = {
    error.exit_code: error.kind for error in (UsageError, ConfigError, DataError, PluginError, InUse)
}
"""What an exit code of `lpa3bench run` says by itself."""

Verdict = Literal["done", "failed", "in use", "stopped"]


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    run: Run
    verdict: Verdict
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
class Active:
    """A run that was handed to the engine."""

    run: Run
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
class Progress:
    """How far all of it is."""

    runs: Mapping[str, Run]
    """All that are known, by name."""
    outcomes: Sequence[Outcome]
    active: Sequence[Active]
    seconds: Mapping[str, float] = field(default_factory=dict)
    """That runs are expected to take, by name, where that is known."""
    later: Sequence[float | None] = ()
    """Likewise for the runs that a search has yet to choose, which come after all others."""

    @property
    def total(self) -> int:
        """How many runs there are."""
        return len(self.runs) + len(self.later)

    def count(self, verdict: Verdict) -> int:
        """How many runs ended so."""
        return sum(outcome.verdict == verdict for outcome in self.outcomes)


class Watch(Protocol):
    """Shows progress."""

    def show(self, progress: Progress) -> None:
        """Called several times a second."""

    def ended(self, outcome: Outcome, progress: Progress) -> None:
        """A run is over."""


class Launcher(Protocol):
    """Says how a run is started."""

    def __call__(self, run: Run) -> Launch: ...


class Drive:
    """Does runs, as many at once as the engine takes.

    A signal stops those under way and starts no other.
    """

    def __init__(self, engine: Engine, watch: Watch, interrupts: Interrupts, launch: Launcher) -> None:
        self._engine = engine
        self._watch = watch
        self._interrupts = interrupts
        self._launch = launch
        self._progress = Progress({}, [], [])
        self._waiting = deque[Run]()
        self._held = deque[Run]()
        """Those that others work on."""
        self._active: dict[str, Active] = {}
        self._kills = Counter[str]()
        self._patience = 0.0
        self._stopping = False

        self.outcomes: list[Outcome] = []
        """What became of each, in the order in which they ended."""

    def do(
        self, runs: Sequence[Run], seconds: Mapping[str, float], later: Sequence[float | None] = ()
    ) -> None:
        """Do these runs, of which those that were done by an earlier call are left out.

        Args:
            seconds, later: as `Progress` has them.
        """
        known = self._progress.runs
        new = {run.name: run for run in runs if run.name not in known}  # two cells may come to the same run
        self._progress = Progress({**known, **new}, self.outcomes, [], seconds, later)
        self._waiting.extend(new.values())
        self._patience = 0.0
        while self._waiting or self._active or self._held:
            if self._interrupts.received is not None:
                self._stop(self._interrupts.received)
            while self._waiting and self._engine.has_room():
                self._start(self._waiting.popleft())
            for ended in self._engine.poll():
                self._collect(self._active.pop(ended.name), ended)
            if self._held and not self._waiting and not self._active:
                self._look_again()
            self._active = {name: _started(one) for name, one in self._active.items()}
            self._watch.show(self._now())
            time.sleep(POLL_SECONDS)

    def _now(self) -> Progress:
        return replace(self._progress, active=[*self._active.values()])

    def _settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._watch.ended(outcome, self._now())

    def _stop(self, number: int) -> None:
        """Start nothing more, and pass the signal on, once."""
        if not self._stopping:
            self._stopping = True
            self._engine.stop(number)
        for run in (*self._waiting, *self._held):
            self._settle(Outcome(run, "stopped"))
        self._waiting.clear()
        self._held.clear()

    def _start(self, run: Run) -> None:
        """Hand it to the engine, unless it is done or others are at it."""
        if run.state == "done":  # before, or just now by another suite
            self._settle(Outcome(run, "done"))
        elif run.folder.in_use():
            self._held.append(run)
        else:
            self._active[run.name] = Active(
                run,
                time.monotonic(),
                _size(run),
                run.share_done,
                failure_before=read_failure(run.folder.failure),
            )
            self._engine.submit(run.name, self._launch(run))

    def _collect(self, was: Active, ended: Ended) -> None:
        """Settle what has ended, or try it again."""
        outcome = _outcome(was, ended)
        if self._stopping and outcome.verdict != "done":
            self._settle(Outcome(was.run, "stopped"))
        elif outcome.verdict == "in use":
            self._held.append(was.run)
        elif outcome.verdict == "failed" and _killed(ended) and self._kills[ended.name] < RETRIES:
            self._kills[ended.name] += 1
            self._waiting.append(was.run)
        else:
            self._settle(outcome)

    def _look_again(self) -> None:
        """Take up what others have left by now; give up the rest when there was time enough."""
        now = time.monotonic()
        self._patience = self._patience or now + ORPHAN_SECONDS
        free = [run for run in self._held if not run.folder.in_use()]
        self._waiting.extend(free)
        self._held = deque(run for run in self._held if run not in free)
        if not free and now > self._patience:
            for run in self._held:
                error = InUse(run.folder.path)
                self._settle(Outcome(run, "in use", str(error), error.exit_code, kind=error.kind))
            self._held.clear()


def launcher(environment: dict[str, str]) -> Launcher:
    """Runs start in this process's folder, with this added to the environment."""

    def launch(run: Run) -> Launch:
        return Launch(run.arguments, environment, str(Path.cwd()), str(run.log.absolute()))

    return launch


def _size(run: Run) -> int:
    try:
        return run.log.stat().st_size
    except OSError:
        return 0


def _started(one: Active) -> Active:
    """With the time, once its process is seen: an engine may have queued it."""
    if one.since or _size(one.run) <= one.logged:
        return one
    return replace(one, since=time.monotonic())


def _killed(ended: Ended) -> bool:
    """Whether a signal ended it, at once or (as SIGTERM does) when it had time to stop."""
    return ended.code < 0 or ended.code > 128


def _outcome(was: Active, ended: Ended) -> Outcome:
    """What the run directory says goes; the exit status only tells why there is no record."""
    seconds = time.monotonic() - (was.since or was.handed_in)
    if was.run.folder.is_finished:
        return Outcome(was.run, "done", seconds=seconds, share=1 - was.share_before)
    kind = failure_kind(was, ended)
    if kind == "in_use":
        return Outcome(was.run, "in use", ended.cause, ended.code, seconds, kind=kind)
    cause = ended.cause
    if ended.code == 0:
        cause = (
            "it ended under another name: the source of a plugin or of the engine has changed; start again"
        )
    return Outcome(was.run, "failed", cause, ended.code, seconds, kind=kind)


def failure_kind(was: Active, ended: Ended) -> FailureKind:
    """What went wrong: as the engine says, else `failure.json`, else the exit code.

    A `failure.json` of an attempt before this one, or one that another process wrote meanwhile, says nothing
    of it: a run that never held its directory's lock has nothing but its exit code.
    """
    if ended.kind is not None:
        return ended.kind
    failure = read_failure(was.run.folder.failure)
    if failure is not None and failure != was.failure_before and failure.exit_code == ended.code:
        return failure.kind
    return "killed" if ended.code < 0 else KINDS.get(ended.code, "other")
