"""An engine that runs nothing: each attempt at a run ends as a script says."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lpa3bench.errors import FailureKind, RunFailed
from lpa3bench.suites.engine import EndedRun, Engine, Launch
from lpa3bench.suites.run_queue import RunOutcome, SuiteProgress
from lpa3bench.suites.suite_run import SuiteRun
from lpa3bench.training.failure_file import recorded_failure
from lpa3bench.training.run_directory import RunDirectory
from support.small_records import finish


@dataclass(frozen=True)
class Failed(EndedRun):
    """An attempt that leaves a `failure.json` of this kind."""

    leaves: FailureKind = "other"


OK = EndedRun("", 0, "")
BROKEN = Failed("", 1, "the loss is NaN or infinite", leaves="diverged")
KILLED = EndedRun("", -int(signal.SIGKILL), "killed by SIGKILL")
FOREVER = EndedRun("", 0, "never ends by itself")


class Faked:
    """Attempts end one after the other, at each poll the oldest of those under way.

    Args:
        out: where runs are done.
        scripts: by the name of a run, how each attempt at it ends; otherwise well.
        capacity: runs at once.
    """

    on_stop = Engine.on_stop
    after_stop = "the same command goes on"

    def __init__(
        self, out: Path, scripts: Mapping[str, Sequence[EndedRun]] | None = None, capacity: int = 2
    ) -> None:
        self._out = out
        self._scripts: dict[str, Iterator[EndedRun]] = {n: iter(s) for n, s in (scripts or {}).items()}
        self.capacity = capacity
        self.folders: dict[str, Path] = {}
        """Run directories by the names of runs."""
        self.under_way: list[str] = []
        self.started: list[str] = []
        self.most = 0
        self.signals: list[int] = []

    def holds(self, name: str) -> bool:
        return False

    def has_room(self) -> bool:
        return len(self.under_way) < self.capacity

    def submit(self, name: str, launch: Launch) -> None:
        self.started.append(name)
        self.under_way.append(name)
        self.folders[name] = self._out / name
        self.most = max(self.most, len(self.under_way))
        log = Path(launch.log)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write("--- started\n")

    def poll(self) -> list[EndedRun]:
        if self.signals:
            ended = [EndedRun(name, -self.signals[0], "stopped") for name in self.under_way]
            self.under_way.clear()
            return ended
        for name in self.under_way:
            how = next(self._scripts.get(name, iter(())), OK)
            if how is FOREVER:
                self._scripts[name] = iter([FOREVER])
                continue
            self.under_way.remove(name)
            if how is OK:
                finish(self.folders[name])
            if isinstance(how, Failed):
                fail(self.folders[name], how.cause, how.leaves)
            return [EndedRun(name, how.code, how.cause, how.kind)]
        return []

    def stop(self, number: int) -> None:
        self.signals.append(number)

    def close(self) -> None: ...


class Silent:
    """Shows nothing, and remembers what it was told."""

    def __init__(self) -> None:
        self.progress: list[SuiteProgress] = []
        self.outcomes: list[RunOutcome] = []

    def show(self, progress: SuiteProgress) -> None:
        self.progress.append(progress)

    def ended(self, outcome: RunOutcome, progress: SuiteProgress) -> None:
        self.outcomes.append(outcome)


def fail(folder: Path, message: str, kind: FailureKind) -> None:
    """Make the run directory of a run that ended with this error."""
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(RunFailed), recorded_failure(RunDirectory(folder)):
        raise RunFailed(message, kind=kind)


def run(out: Path, name: str = "a-00000000-s0", epochs: int = 4) -> SuiteRun:
    """A run that is not done."""
    return SuiteRun(
        name=name, cell=name.partition("-")[0], seed=int(name[-1]), epochs=epochs, out=out, arguments=()
    )
