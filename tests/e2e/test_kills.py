"""Real processes that are killed, stopped, starved of disk or doubled, and the command given again."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lpa3bench.testing import assert_same

CONFIG = """
run.dataset = @datasets.Digits()
run.backbone = @backbones.SmallNet
SmallNet.width = 8
run.epochs = 6
run.positives = @augmenters.LPA3()
LPA3.iterations = 2
Supervised.batch_size = 64
PES.batch_size = 64
PES.warmup_epochs = 2
PES.head_epochs = 1
"""
TASKS = {
    "Supervised": "run.task = @tasks.Supervised()\n",
    "PES": "run.task = @tasks.PES()\nrun.labels = @labels.SymmetricNoise()\nSymmetricNoise.rate = 0.5\n",
}


class Shell:
    """The real command, run for one config in one folder."""

    def __init__(self, folder: Path, task: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "test.gin").write_text(CONFIG + TASKS[task])
        self.command = [
            sys.executable, "-m", "lpa3bench", "run", "test.gin", "--device", "cpu", "--data", ".",
        ]  # fmt: skip

    def start(self, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def finish(self) -> dict[str, Any]:
        """Run to the end; the record."""
        process = self.start()
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert "val-selected" in out
        record: dict[str, Any] = json.loads((self.run / "result.json").read_text())
        return record

    @property
    def run(self) -> Path:
        (run,) = (self.folder / "runs").iterdir()
        return run

    def epochs_done(self) -> int:
        rows = [*(self.folder / "runs").glob("*/metrics.jsonl")]
        return len(rows[0].read_text().splitlines()) if rows else -1

    def until(self, process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
        """Wait while the process works towards a state of the disk."""
        deadline = time.monotonic() + 120
        while not reached():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "nothing happened"
            time.sleep(0.002)

    def checkpoint(self) -> Any:
        newest = sorted(self.run.glob("checkpoint-*.pt"))[-1]
        state = torch.load(newest, weights_only=True)
        return {part: state[part] for part in ("env", "task")}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_killed_at_any_moment_ends_with_the_same_bits(tmp_path: Path, task: str) -> None:
    undisturbed, disturbed = Shell(tmp_path / "one", task), Shell(tmp_path / "two", task)
    expected = undisturbed.finish()
    for epochs, later in ((0, 0.0), (1, 0.03), (4, 0.11)):
        process = disturbed.start()
        disturbed.until(process, lambda epochs=epochs: disturbed.epochs_done() >= epochs)
        time.sleep(later)  # somewhere within the epoch, its scoring or the writing of its checkpoint
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    record = disturbed.finish()
    for part in ("metrics", "per_class", "correct"):
        assert record[part] == expected[part], part
    assert record["resumed_from"], "it was never taken up again"
    assert_same(undisturbed.checkpoint(), disturbed.checkpoint())
    assert (undisturbed.run / "metrics.jsonl").read_bytes() == (disturbed.run / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_and_its_exit_code(tmp_path: Path, number: int, code: int) -> None:
    shell = Shell(tmp_path, "Supervised")
    process = shell.start()
    shell.until(process, lambda: shell.epochs_done() >= 1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    last = err.strip().splitlines()[-1]
    assert last.startswith(f"error: {signal.Signals(number).name} received")
    assert "same command" in last
    assert shell.checkpoint()
    assert not (shell.run / "result.json").exists()
    assert json.loads((shell.run / "failure.json").read_text())["kind"] == "stopped"


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    shell = Shell(tmp_path, "Supervised")
    process = shell.start()
    shell.until(process, lambda: len([*(tmp_path / "runs").glob("*/checkpoint-*.pt")]) >= 2)
    process.kill()
    process.communicate()
    before = shell.checkpoint()
    size = max(path.stat().st_size for path in shell.run.glob("checkpoint-*.pt"))

    def starve() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    process = shell.start(preexec_fn=starve)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    last = err.strip().splitlines()[-1]
    assert "could not be written" in last
    assert "free some space" in last
    assert_same(shell.checkpoint(), before)
    assert not [*shell.run.glob(".*.tmp")]
    failure = json.loads((shell.run / "failure.json").read_text())
    assert (failure["kind"], failure["exit_code"]) == ("disk", 1)
    assert f"error: {failure['message']}" == last
    assert shell.finish()["status"] == "ok"
    assert not (shell.run / "failure.json").exists()


def test_a_second_process_on_the_same_run_is_refused(tmp_path: Path) -> None:
    shell = Shell(tmp_path, "Supervised")
    process = shell.start()
    shell.until(process, lambda: shell.epochs_done() >= 0)
    process.kill()
    process.communicate()
    with (shell.run / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as the other process would hold it
        second = shell.start()
        _, err = second.communicate(timeout=60)
    assert second.returncode == 75, "nothing is wrong: the same command later goes on"
    assert "another process is working on this run" in err
    assert not (shell.run / "failure.json").exists(), "the directory is the other's"
    assert "Traceback" not in err


def test_the_lock_goes_with_the_process(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    script = (
        "import os\nfrom pathlib import Path\nfrom lpa3bench.training.run_directory import RunDirectory\n"
        f"with RunDirectory(Path({str(folder)!r})).locked():\n    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], env=os.environ).returncode == -signal.SIGKILL
    from lpa3bench.training.run_directory import RunDirectory

    with RunDirectory(folder).locked():
        pass
