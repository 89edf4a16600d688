"""`lpa3bench suite` as a process: a run that fails, and a signal. tests/e2e kills it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.console import Cli

SMALL = """
run.task = @tasks.Supervised()
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.epochs = 2
Supervised.batch_size = 16
SmallNet.width = 4
"""
BROKEN = """
import torch
from lpa3bench import hookimpl
from lpa3bench.api import Augmenter, View

class Broken(Augmenter):
    def generate(self, x, ctx):
        raise ArithmeticError("a bad day")

@hookimpl
def register_augmenters(register):
    register("Broken", Broken)
"""


@pytest.mark.slow
def test_one_that_fails_does_not_keep_the_others(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "small.gin").write_text(SMALL)
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "s.gin").write_text(
        'suite.cells = ["small.gin -p run.view=@Broken()", "small.gin", "fashion_fixmatch"]\n'
        "suite.seeds = (5,)\n"
    )
    words = ("suite", "s.gin", "--plugin", "broken.py", "--device", "cpu", "--data", ".", "--no-forecast")
    done = cli(*words, "--workers", "2", "--json", cwd=tmp_path)
    assert done.returncode == 6, done.stderr
    found = json.loads(done.stdout)
    broken, whole = sorted(found["runs"], key=lambda run: run["status"], reverse=True)
    assert (whole["cell"], whole["status"], whole["cause"]) == ("small.gin", "done", None)
    assert (broken["status"], broken["exit_code"]) == ("failed", 5)
    assert broken["cause"].startswith("step 0: Broken in slot view failed (ArithmeticError: a bad day)")
    assert found["problems"].keys() == {"fashion_fixmatch"}, "its data are not here"
    assert "Traceback" not in done.stderr

    again = cli(*words, "--only", "small*", cwd=tmp_path)
    assert again.returncode == 6
    assert "runs       2, of 3 cells × 1 seed\ndone       1\n" in again.stdout
    assert (
        "1 of 2 runs are done\nfailed  small.gin -p 'run.view=@Broken()'  seed 5: step 0: Broken"
        in again.stdout
    )
    assert cli(*words, "--only", "small.gin", cwd=tmp_path).returncode == 0

    # What was recorded is a record like any other, made with the suite's number of threads.
    (record,) = tmp_path.glob("runs/*/result.json")
    provenance = json.loads(record.read_text())["provenance"]
    assert provenance["threads"] == 1
    assert provenance["command"][1:3] == ["run", "small.gin"]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in Linux's /proc")
@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    ["local", pytest.param("ray", marks=pytest.mark.skipif(find_spec("ray") is None, reason="no Ray here"))],
)
def test_a_signal_stops_the_runs_too(tmp_path: Path, engine: str) -> None:
    """Also where the suite was started in the background, by a shell that has its children ignore SIGINT."""
    (tmp_path / "small.gin").write_text(SMALL.replace("epochs = 2", "epochs = 100000"))
    (tmp_path / "s.gin").write_text('suite.cells = ["small.gin"]\nsuite.seeds = (5, 6, 7)\n')
    command = [
        sys.executable, "-m", "lpa3bench", "suite", "s.gin", "--device", "cpu", "--workers", "2",
        "--data", ".", "--no-forecast", "--engine", engine,
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    _until(lambda: len([*tmp_path.glob("runs/*/metrics.jsonl")]) == 2)
    os.kill(process.pid, signal.SIGHUP)  # the terminal is closed: nobody cares
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert err.splitlines()[-1] == (
        "error: SIGTERM received: 0 runs are done, 3 are not; the same command goes on"
    )
    logs = [path.read_text() for path in sorted((tmp_path / "runs" / ".logs").iterdir())]
    assert len(logs) == 2
    assert all("SIGTERM received: epoch" in log for log in logs), "they ended by themselves"


def _until(reached: Any) -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)
