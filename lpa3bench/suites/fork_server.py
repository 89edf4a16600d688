"""`python -m lpa3bench.suites.fork_server PID`: starts runs for process PID by forking, on a CPU under Linux.

Most of what a small run takes is imports. This process makes them once, and each run is a copy of it that
goes on as `python -m lpa3bench run …` would: it differs from such a process in nothing but what is imported
already. Therefore only the engine, plugins that come with it and installed distributions are imported here;
a run imports by itself whatever lies in a working folder. No copy is made of a process with several threads,
of which a copy would have one, nor by an engine whose source has changed since it was imported.

`forked_run.ForkServer` is the other end: each line of stdin and stdout is a JSON list, named by its first
item.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import runpy
import select
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from lpa3bench.runtime.reserved_stdout import STDERR, STDOUT
from lpa3bench.suites.engine import log_heading
from lpa3bench.suites.parent_death import die_with

STDIN = 0
PRELOADED = (
    "torch",
    "torch.utils.flop_counter",
    "lpa3bench.training.loop",
    "lpa3bench.training.progress_bar",
    "lpa3bench.publish.following",
    "lpa3bench.cli.run",
    "lpa3bench.config",
    "rich.progress",
)
"""What every run needs."""
COPIED = ("lpa3bench", "lpa3bench_plugins")
"""Top-level packages whose source a run must not have older than it is now, wherever they lie."""
LONGEST_COMMAND = 4096
"""Bytes that `show_command` has room for in a process of this module."""


def is_single_threaded() -> bool:
    """Whether no library has started a thread; False where there is no /proc to see them in."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 (not a path of ours)
    except OSError:
        return False


def show_command(words: Sequence[str]) -> None:
    """Put these words into what `ps` says this process was started as, as far as there is room for them.

    They are written where the kernel has put them when the process was started.
    """
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])
        if 0 < start < end:
            text = b"".join(os.fsencode(word) + b"\0" for word in words)[: end - start - 1]
            ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


class Server:
    """What is imported, and the runs that are under way.

    Args:
        answers: the descriptor that takes what there is to tell.
    """

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._running: dict[int, int] = {}
        """Numbers of runs by process."""
        self._unread = b""
        self._sources: dict[str, tuple[int, int]] = {}
        self._woken, self._wake = os.pipe()

    # ------------------------------------------------------------------------------------------ imports
    def preload(self, names: Sequence[str]) -> None:
        """Import these modules. One that fails is left to the runs that need it, which say why."""
        before = {path: _version(path) for path in _source_files()}
        for name in names:
            if name not in sys.modules:
                with suppress(Exception, SystemExit):
                    importlib.import_module(name)
        # As they were before they were imported, be it by an earlier call: one may be edited meanwhile.
        known = before | self._sources
        self._sources = {path: known.get(path) or _version(path) for path in _sources()}
        with suppress(Exception):  # a run says what is wrong
            from lpa3bench.training.provenance import read_once

            read_once(Path(path) for path in self._sources if COPIED[1] in Path(path).parts)
        gc.collect()
        gc.freeze()  # so that no copy collects, and thereby writes to, what all of them share

    def _can_copy(self) -> bool:
        """Whether a copy of this process would do what a new one does."""
        return is_single_threaded() and all(_version(path) == old for path, old in self._sources.items())

    # --------------------------------------------------------------------------------------------- runs
    def serve(self) -> list[str] | None:
        """Do what is asked until nobody asks any more. In each copy: the arguments that it is to run with."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._tell("ready")
        while True:
            ready, _, _ = select.select([STDIN, self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            if STDIN in ready:
                if not (read := os.read(STDIN, 65536)):
                    return None
                for what, *details in self._orders(read):
                    if what == "start":
                        if (arguments := self._start(*details)) is not None:
                            return arguments
                    elif what == "signal":
                        self._signal(*details)
                    elif what == "preload":
                        self.preload(*details)

    def _orders(self, read: bytes) -> Iterator[list[Any]]:
        *lines, self._unread = (self._unread + read).split(b"\n")
        return map(json.loads, lines)

    def _tell(self, *answer: Any) -> None:
        os.write(self._answers, json.dumps(answer).encode() + b"\n")

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while self._running:
                process, status = os.waitpid(-1, os.WNOHANG)
                if not process:
                    break
                self._tell("ended", self._running.pop(process), os.waitstatus_to_exitcode(status))

    def _signal(self, run: int, number: int) -> None:
        """Send it, unless the run is over: its process is not gone before `_reap`."""
        for process, other in self._running.items():
            if other == run:
                os.kill(process, number)

    def _start(self, run: int, arguments: list[str], log: str) -> list[str] | None:
        """Start a run, or refuse to: it is then started in another way, which says what is wrong."""
        server = os.getpid()
        try:
            if not self._can_copy():
                raise OSError
            Path(log).parent.mkdir(parents=True, exist_ok=True)
            file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                os.write(file, log_heading(arguments))
                process = os.fork()
                if process == 0:
                    self._become_run(server, file, arguments)
                    return arguments
            finally:
                os.close(file)
        except OSError:
            if os.getpid() != server:  # a copy that is no run would be a second server
                os._exit(1)
            self._tell("refused", run)
            return None
        self._running[process] = run
        self._tell("started", run, process)
        return None

    def _become_run(self, server: int, log: int, arguments: list[str]) -> None:
        """Make this copy what `engine.start_run` would have started."""
        os.setsid()
        die_with(server)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, STDIN)
        os.dup2(log, STDOUT)
        os.dup2(log, STDERR)
        for descriptor in (nothing, self._answers, self._woken, self._wake):
            os.close(descriptor)
        sys.orig_argv[:] = [sys.executable, "-m", "lpa3bench", "run", *arguments]
        show_command(sys.orig_argv)
        importlib.invalidate_caches()
        sys.modules["numpy"].random.seed()  # by chance, as in a new process; random does so by itself
        sys.modules["torch"].default_generator.seed()


def _sources() -> Iterator[str]:
    for name, module in [*sys.modules.items()]:
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in COPIED and file is not None:
            yield file


def _source_files() -> Iterator[str]:
    """Of packages of that name, whatever of them is imported."""
    for name in COPIED:
        spec = importlib.util.find_spec(name)
        for folder in (spec and spec.submodule_search_locations) or ():
            for below, _, files in os.walk(folder):
                yield from (str(Path(below, file)) for file in files if file.endswith(".py"))


def _version(path: str) -> tuple[int, int]:
    """What changes when a file is written: its time and size."""
    try:
        found = os.stat(path)  # noqa: PTH116 (many of them, before each run)
    except OSError:
        return 0, -1
    return found.st_mtime_ns, found.st_size


def _exit(code: int) -> NoReturn:
    """End as Python does, but for taking apart all modules, which are shared: it would take half a second."""
    threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing ends its copies
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def main() -> None:
    """Serve; in each copy, go on as `python -m lpa3bench run`."""
    die_with(int(sys.argv[1]))
    show_command(sys.orig_argv[:-1])
    answers = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)  # what modules print when they are imported
    server = Server(answers)
    server.preload(PRELOADED)
    arguments = server.serve()
    if arguments is not None:
        sys.argv[1:] = ["run", *arguments]
        try:
            runpy.run_module("lpa3bench", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            if isinstance(end.code, int):
                _exit(end.code)
            raise


if __name__ == "__main__":
    main()
