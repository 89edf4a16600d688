"""Processes that leave nothing behind, whoever ends, and however."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import assert_none_left, needs_proc, processes_with, until

from lpa3bench.runtime.supervised import EndedProcess, kill_descendants, run_python

pytestmark = needs_proc
SERVICE = """
import signal, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
time.sleep(60)
"""
STARTS_A_SERVICE = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-c", {SERVICE!r}], start_new_session=True)
"""
"""As W&B's SDK does: a service in a session of its own, which heeds nothing but kill -9."""
STAYS = "time.sleep(60)\n"


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bytes:
    """In the environment of every process that the test starts."""
    monkeypatch.setenv("LPA3BENCH_TEST_MARK", str(tmp_path))
    return f"LPA3BENCH_TEST_MARK={tmp_path}".encode()


def run(code: str, seconds: float = 60.0) -> EndedProcess:
    return run_python(["-S", "-c", code], env={**os.environ}, seconds=seconds, stdin="")


@pytest.mark.parametrize("end", ["", "import os; os._exit(7)", "import os; os.kill(os.getpid(), 9)"])
def test_what_a_process_leaves_behind_is_ended(mark: bytes, end: str) -> None:
    done = run(f"{STARTS_A_SERVICE}\nprint('said')\nsys.stdout.flush()\n{end}")
    assert done.returncode == (137 if "kill" in end else 7 if end else 0)
    assert done.stdout == "said\n"
    assert processes_with(mark) == []


def test_a_time_limit_holds_for_all_of_it(mark: bytes) -> None:
    with pytest.raises(TimeoutError, match=r"not over within 0\.5 seconds"):
        run(STARTS_A_SERVICE + STAYS, seconds=0.5)
    assert processes_with(mark) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_who_asked_for_it(mark: bytes, number: signal.Signals) -> None:
    code = (
        "import os; from lpa3bench.runtime.supervised import run_python\n"
        f"run_python(['-S', '-c', {STARTS_A_SERVICE + STAYS!r}], env={{**os.environ}}, seconds=60, stdin='')"
    )
    asking = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: len(processes_with(mark)) == 4)  # who asks, the supervisor, the command, its service
    asking.send_signal(number)
    assert asking.wait() == -number
    assert_none_left(mark)


def test_descendants_and_their_sessions_are_killed_and_no_other(mark: bytes, tmp_path: Path) -> None:
    """The service's parent has ended by then: a session tells whose it is."""
    orphan = "import os\nif os.fork(): os._exit(0)\n" + SERVICE
    code = (
        f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-S', '-c', {orphan!r}])\n"
        f"open({str(tmp_path / 'orphaned')!r}, 'w')\n{STAYS}"
    )
    root = subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True)
    other = subprocess.Popen([sys.executable, "-S", "-c", SERVICE], start_new_session=True)
    try:
        until((tmp_path / "orphaned").exists)
        assert len(processes_with(mark)) == 3
        kill_descendants(root.pid)
        assert {*processes_with(mark)} == {root.pid, other.pid}
    finally:
        for process in (root, other):
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("a\nError: one\nb", "Error: one"),
        ("a\nb", "b"),
        ("", "ended with 3"),
        (
            "Value error, 70 characters\n  For further information visit https://…/value_error",
            "Value error, 70 characters",
        ),
    ],
)
def test_the_last_word_of_a_process(said: str, line: str) -> None:
    assert EndedProcess(3, "", said).error_line == line
