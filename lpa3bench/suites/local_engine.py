"""Runs on this machine, so many at once; GPUs are dealt out in turn."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lpa3bench.errors import RunFailed
from lpa3bench.runtime.device import VISIBLE
from lpa3bench.runtime.supervised import KILL_SECONDS, kill_descendants
from lpa3bench.suites.engine import EndedRun, Engine, Launch, failure_line, start_run
from lpa3bench.suites.forked_run import ForkedRun, ForkServer


@dataclass(frozen=True)
class _Running:
    launch: Launch
    process: subprocess.Popen[bytes] | ForkedRun
    place: int


class LocalEngine(Engine):
    """So many places, each of which takes one run at a time.

    Args:
        workers: how many places there are.
        gpus: what `device.VISIBLE` calls the GPUs; none: runs see what this process sees.
        server: what starts the runs that it takes, closed with the engine; others are started by themselves.
    """

    def __init__(self, workers: int, gpus: Sequence[str] = (), server: ForkServer | None = None) -> None:
        self._server = server
        self._gpus = tuple(gpus)
        self._free = [*range(workers)]
        self._running: dict[str, _Running] = {}
        self._unstarted: list[EndedRun] = []
        self._workers = workers

    @property
    def capacity(self) -> int:
        return self._workers

    def has_room(self) -> bool:
        return bool(self._free)

    def submit(self, name: str, launch: Launch) -> None:
        """Start it in the first free place, which has a GPU of its own where there are enough."""
        place = self._free[0]
        gpu = {VISIBLE: self._gpus[place % len(self._gpus)]} if self._gpus else {}
        if self._server is not None and self._server.takes(launch, gpu):
            self._running[name] = _Running(launch, self._server.start(launch), place)
        elif not self._start(name, launch, gpu, place):
            return
        del self._free[0]

    def _start(self, name: str, launch: Launch, gpu: Mapping[str, str], place: int) -> bool:
        """Start it by itself, or note why that cannot be done."""
        try:
            self._running[name] = _Running(launch, start_run(launch, gpu), place)
        except RunFailed as error:  # the others go on
            self._unstarted.append(EndedRun(name, error.exit_code, str(error), error.kind))
            return False
        return True

    def poll(self) -> list[EndedRun]:
        """Those that ended, their places being free again, and those that could not be started."""
        ended = []
        for name, run in [*self._running.items()]:
            code = run.process.poll()
            if isinstance(run.process, ForkedRun) and run.process.refused:
                if not self._start(name, run.launch, {}, run.place):
                    self._leave(name)
            elif code is not None:
                self._leave(name)
                cause = failure_line(Path(run.launch.log), code) if code else ""
                ended.append(EndedRun(name, code, cause))
        unstarted, self._unstarted = self._unstarted, []
        return [*unstarted, *ended]

    def _leave(self, name: str) -> None:
        self._free = sorted((*self._free, self._running.pop(name).place))

    def stop(self, number: int) -> None:
        for run in self._running.values():
            run.process.send_signal(number)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        processes = [run.process for run in self._running.values() if not isinstance(run.process, ForkedRun)]
        for process in processes:
            kill_descendants(process.pid)
            process.kill()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(KILL_SECONDS)
        self._running.clear()
