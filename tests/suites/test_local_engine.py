"""Processes on this machine: how they end, what they leave to read, and which GPU each one sees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.processes import assert_none_left, needs_proc, processes_with, until

from lpa3bench.runtime.device import VISIBLE
from lpa3bench.suites import local_engine as locals_
from lpa3bench.suites.engine import EndedRun, Launch, failure_line, start_run
from lpa3bench.suites.local_engine import LocalEngine


def launch(folder: Path, *arguments: str) -> Launch:
    return Launch(arguments, {"LPA3BENCH_TEST": "1"}, str(folder), str(folder / ".logs" / "run.log"))


def wait(engine: LocalEngine) -> list[EndedRun]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if ended := engine.poll():
            return ended
        time.sleep(0.01)
    raise AssertionError("nothing ended")


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    engine = LocalEngine(1)
    engine.submit("a", launch(tmp_path, "nowhere.gin"))
    assert not engine.has_room()
    (ended,) = wait(engine)
    assert (ended.name, ended.code) == ("a", 3)
    assert ended.cause.startswith("nowhere.gin: there is no such file, nor a shipped one")
    assert engine.has_room()
    assert engine.poll() == []
    first, *_ = (tmp_path / ".logs" / "run.log").read_text().splitlines()
    assert first.startswith("--- ")
    assert first.endswith("lpa3bench run nowhere.gin")


def test_one_that_ends_well_says_nothing(tmp_path: Path) -> None:
    engine = LocalEngine(1)
    engine.submit("a", launch(tmp_path, "--help"))
    assert wait(engine) == [EndedRun("a", 0, "")]


def test_one_whose_log_cannot_be_written_fails_and_keeps_no_place(tmp_path: Path) -> None:
    (tmp_path / ".logs" / "run.log").mkdir(parents=True)
    engine = LocalEngine(1)
    engine.submit("a", launch(tmp_path, "--help"))
    log = tmp_path / ".logs" / "run.log"
    assert engine.poll() == [
        EndedRun("a", 1, f"it cannot be started with the log {log} (Is a directory)", "other")
    ]
    assert engine.has_room()
    assert engine.poll() == []


def test_closing_kills_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def sleep(launch: Launch, extra: Mapping[str, str]) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return started[-1]

    monkeypatch.setattr(locals_, "start_run", sleep)
    engine = LocalEngine(2)
    engine.submit("a", launch(tmp_path))
    engine.submit("b", launch(tmp_path))
    assert engine.poll() == []
    engine.close()
    assert [process.poll() for process in started] == [-signal.SIGKILL] * 2
    assert engine.poll() == []


@needs_proc
def test_closing_kills_what_a_run_has_started_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a session of its own, say: a loader's workers, a plugin's server."""
    monkeypatch.setenv("LPA3BENCH_TEST_MARK", str(tmp_path))
    mark = f"LPA3BENCH_TEST_MARK={tmp_path}".encode()
    stays = "import time; time.sleep(60)"
    code = (
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-S', '-c', {stays!r}], start_new_session=True)\n{stays}"
    )
    command = [sys.executable, "-S", "-c", code]
    monkeypatch.setattr(locals_, "start_run", lambda *_: subprocess.Popen(command, start_new_session=True))
    engine = LocalEngine(1)
    engine.submit("a", launch(tmp_path))
    until(lambda: len(processes_with(mark)) == 2)
    engine.close()
    assert_none_left(mark)


def test_gpus_are_dealt_out_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place keeps its own, so two runs share one only where there are more places than GPUs."""
    seen: list[str | None] = []

    class Endless:
        ended: int | None = None

        def poll(self) -> int | None:
            return self.ended

    processes: list[Endless] = []

    def note(launch: Launch, extra: Mapping[str, str]) -> Endless:
        seen.append(extra.get(VISIBLE))
        processes.append(Endless())
        return processes[-1]

    monkeypatch.setattr(locals_, "start_run", note)
    engine = LocalEngine(3, ["4", "7"])
    for name in "abc":
        engine.submit(name, launch(tmp_path))
    processes[1].ended = 0
    assert [ended.name for ended in engine.poll()] == ["b"]
    engine.submit("d", launch(tmp_path))
    assert seen == ["4", "7", "4", "7"]
    without = LocalEngine(1)
    without.submit("e", launch(tmp_path))
    assert seen[-1] is None


# ------------------------------------------------------------------------------------------------ last words
@pytest.mark.parametrize(
    ("printed", "code", "words"),
    [
        ("epoch 1/2\nerror: the disk is full\n", 1, "the disk is full"),
        ("error: one\nstopping\n", 1, "one"),
        ("Traceback\n  File\nValueError: a bug\n\n", 1, "ValueError: a bug"),
        ("", 9, "exit status 9, nothing printed"),
        ("error: told before\n", -9, "killed by SIGKILL"),
    ],
)
def test_why_a_run_ended(tmp_path: Path, printed: str, code: int, words: str) -> None:
    log = tmp_path / "log"
    log.write_text(
        f"--- then  lpa3bench run\nerror: of an earlier attempt\n--- now  lpa3bench run\n{printed}"
    )
    assert failure_line(log, code) == words


def test_a_log_that_is_gone(tmp_path: Path) -> None:
    assert failure_line(tmp_path / "log", 2) == "exit status 2, nothing printed"


# ---------------------------------------------------------------------------------- the death of a parent
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel kills a child with its parent")
def test_a_run_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    """Whatever ends it; here kill -9. The run is held up by a plugin that takes a minute to be imported."""
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    code = (
        "import os, time; from lpa3bench.suites.engine import Launch, start_run\n"
        f"run = Launch(('quickstart', '--plugin', 'slow.py'), {{}}, {str(tmp_path)!r}, 'log')\n"
        "print(start_run(run).pid, flush=True); time.sleep(60)\n"
    )
    master = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert master.stdout is not None
    run = int(master.stdout.readline())
    until(lambda: b"parent_death" in _command(run))
    time.sleep(1.0)
    assert _command(run), "it ended by itself"
    master.kill()
    master.wait()
    until(lambda: not _command(run))


def _command(pid: int) -> bytes:
    """Empty for a process that is over."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_no_key_of_a_terminal_reaches_a_run(tmp_path: Path) -> None:
    process = start_run(launch(tmp_path, "--help"))
    try:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
    finally:
        process.wait()
