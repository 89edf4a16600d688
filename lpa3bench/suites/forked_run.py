"""Runs that a fork server starts, seen from the process that wants them: each looks like a `Popen`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lpa3bench.runtime.supervised import KILL_SECONDS, kill_descendants
from lpa3bench.suites.engine import Launch
from lpa3bench.suites.fork_server import COPIED, LONGEST_COMMAND

SERVER = "lpa3bench.suites.fork_server"
MOST_SERVERS = 3
"""Of one suite: one that was killed is started anew."""


class ForkedRun:
    """A run that was asked for."""

    def __init__(self, server: ForkServer, number: int, arguments: tuple[str, ...], log: str) -> None:
        self.number = number
        self.arguments = arguments
        self.log = log
        self.pid: int | None = None
        """None: its process is not there yet."""
        self.code: int | None = None
        self.refused = False
        """Whether it must be started in another way."""
        self.stopped_by: int | None = None
        """The signal that it was sent before its process was there: it is not started in another way."""
        self._server = server

    def poll(self) -> int | None:
        """Its exit status, negative where a signal killed it; None before it has ended."""
        self._server.look()
        return self.code

    def send_signal(self, number: int) -> None:
        self._server.send_signal(self, number)


class ForkServer:
    """A process that starts runs by forking, started at once and ready some seconds later.

    Args:
        environment: what to add to the environment of the server, and so of its runs.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment}
        self._cwd = str(Path.cwd())
        self._modules: list[str] = []
        self._numbered = 0
        self._servers = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._unread = b""
        self._runs: dict[int, ForkedRun] = {}
        """Those that are not over, by number."""
        self._boot()

    def preload(self, names: Sequence[str]) -> None:
        """Have these modules imported before any run is started."""
        self._modules = [*names]
        if self._ready:
            self._order("preload", self._modules)

    def takes(self, launch: Launch, extra: Mapping[str, str]) -> bool:
        """Whether it can start this run: what it has imported has read the environment."""
        if self._process is None and self._servers:
            self._boot()
        wanted = {**launch.environment, **extra}.items()
        return self._process is not None and wanted <= self._environment.items() and launch.cwd == self._cwd

    def start(self, launch: Launch) -> ForkedRun:
        """Ask for a run, which `takes` says can be started."""
        self._numbered += 1
        run = ForkedRun(self, self._numbered, launch.arguments, launch.log)
        self._runs[run.number] = run
        if self._ready:
            self._ask(run)
        return run

    def look(self) -> None:
        """Take in what the server has told; waits for nothing."""
        if self._process is None or self._process.stdout is None:
            return
        try:
            while read := os.read(self._process.stdout.fileno(), 65536):
                *lines, self._unread = (self._unread + read).split(b"\n")
                for line in lines:
                    if line.startswith(b"["):  # a sitecustomize may print before the server runs
                        self._hear(*json.loads(line))
        except BlockingIOError:
            return
        self._died()

    def send_signal(self, run: ForkedRun, number: int) -> None:
        """Send it to a run; one that has not been started yet ends by it."""
        self.look()
        if run.pid is None:
            run.stopped_by = number
        if run.refused:
            run.refused, run.code = False, -number
        elif run.code is None and self._ready:  # the server does as it is told in that order
            self._order("signal", run.number, number)
        elif run.code is None:
            self._end(run.number, -number)

    def close(self) -> None:
        """Kill the server, and all that its runs have started."""
        if self._process is None:
            return
        process, self._process, self._servers = self._process, None, 0
        if self._runs:
            kill_descendants(process.pid)
        process.kill()
        _forget(process)
        for number in [*self._runs]:
            self._end(number, -signal.SIGKILL)

    # ------------------------------------------------------------------------------------------ the server
    def _boot(self) -> None:
        """Start the server, unless it has been killed too often."""
        if self._servers == MOST_SERVERS:
            return
        room = " " * LONGEST_COMMAND
        with suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, "-m", SERVER, str(os.getpid()), room],
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)
            self._servers += 1

    def _died(self) -> None:
        """What it had started is dead with it; what it had not is started in another way."""
        assert self._process is not None
        _forget(self._process)
        self._process = None
        if not self._ready:  # another one would not get there either
            self._servers = 0
        self._ready = False
        for run in [*self._runs.values()]:
            if run.pid is None:
                self._refuse(run.number)
            else:
                self._end(run.number, -signal.SIGKILL)

    def _order(self, *order: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the next look sees why
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def _ask(self, run: ForkedRun) -> None:
        self._order("start", run.number, run.arguments, run.log)

    def _hear(self, what: str, *details: int) -> None:
        match what:
            case "ready":
                self._ready = True
                self._order("preload", self._modules)
                for run in self._runs.values():
                    self._ask(run)
            case "started":
                number, process = details
                self._runs[number].pid = process
            case "ended":
                self._end(*details)
            case "refused":
                self._refuse(*details)

    def _end(self, number: int, code: int) -> None:
        self._runs.pop(number).code = code

    def _refuse(self, number: int) -> None:
        run = self._runs[number]
        if run.stopped_by is not None:
            self._end(number, -run.stopped_by)
        else:
            self._runs.pop(number).refused = True


def _forget(process: subprocess.Popen[bytes]) -> None:
    """Free what a process that is dying has held here."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # an order that it did not take is still in the buffer
                pipe.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILL_SECONDS)


def fork_server(environment: Mapping[str, str]) -> ForkServer | None:
    """A fork server that was just started; None where the system cannot do what it needs."""
    return ForkServer(environment) if sys.platform == "linux" else None


def modules_to_share() -> list[str]:
    """What this process has imported of the engine, of plugins that come with it, and of what is installed.

    A plan is made with what the runs need: their plugins and the libraries that these want.
    """
    return [name for name, module in [*sys.modules.items()] if _is_shared(name, module)]


def _is_shared(name: str, module: object) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or getattr(module, "__name__", None) != name:
        return False
    return name.partition(".")[0] in COPIED or bool({"site-packages", "dist-packages"} & {*Path(file).parts})
