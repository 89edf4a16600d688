"""`torchrun … -m lpa3bench run …`: two real processes and one run directory, killed, refused and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.console import Cli

CONFIG = """
run.dataset = @datasets.Digits()
run.backbone = @backbones.SmallNet
SmallNet.width = 4
run.epochs = 4
run.positives = @augmenters.LPA3()
LPA3.iterations = 1
LPA3.ratio = 0.5
Supervised.batch_size = 250
"""
EPOCHS = 4
SCORED = 179 + 717
"""Images for validation and test."""
PATIENCE = 150

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for the processes in /proc"),
]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command in docs/distributed.md, in a folder that holds test.gin."""
    folder.mkdir(exist_ok=True)
    (folder / "test.gin").write_text(CONFIG + "run.task = @tasks.Supervised()\n")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["-m", "lpa3bench", "run", "test.gin", "--device", "cpu", "--data", ".", *arguments]
    return subprocess.Popen(
        [*torchrun, "--max-restarts", "0", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def errors(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("error:")]


def only_run(folder: Path) -> Path:
    (run,) = (path for path in (folder / "runs").iterdir() if not path.name.startswith("."))
    return run


def kill_the_second(process: subprocess.Popen[str], folder: Path) -> None:
    """kill -9, once an epoch is done."""
    until = time.monotonic() + PATIENCE
    while not [*(folder / "runs").glob("*/checkpoint-00001.pt")]:
        assert process.poll() is None, "ended too early"
        assert time.monotonic() < until
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ranks = {rank(child): int(child) for child in children}
    os.kill(ranks["1"], signal.SIGKILL)


def rank(pid: str) -> str:
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next((v.removeprefix(b"RANK=").decode() for v in variables if v.startswith(b"RANK=")), "none")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody touched, and what it said."""
    folder = tmp_path_factory.mktemp("undisturbed")
    out, err = (process := start(folder)).communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    (folder / "out").write_text(out)
    (folder / "err").write_text(err)
    return folder


def test_two_processes_write_one_run_and_one_of_them_speaks(undisturbed: Path, cli: Cli) -> None:
    run = only_run(undisturbed)
    record: dict[str, Any] = json.loads((run / "result.json").read_text())
    assert record["provenance"]["world_size"] == 2
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == EPOCHS
    assert rows[-1]["loss"] < rows[0]["loss"]
    images = record["labels"]["training_images"]
    passes = record["cost"]["passes"]
    assert passes["task"]["backward_weights"] == EPOCHS * images
    assert passes["evaluation"]["forward"] == EPOCHS * SCORED
    out, err = (undisturbed / "out").read_text(), (undisturbed / "err").read_text()
    assert out.count("val-selected") == out.count("record ") == 1
    assert err.count(f"epoch {EPOCHS}/{EPOCHS}") == 1
    # The number of processes is no part of what defines a run.
    again = cli("run", "test.gin", "--device", "cpu", "--data", ".", cwd=undisturbed)
    assert again.returncode == 0, again.stderr
    assert "this run is finished" in again.stderr
    assert only_run(undisturbed) == run


@pytest.mark.long
def test_a_killed_process_ends_the_run_and_the_same_command_goes_on(
    undisturbed: Path, tmp_path: Path, cli: Cli
) -> None:
    folder = tmp_path / "killed"
    process = start(folder)
    kill_the_second(process, folder)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert len(errors(err)) <= 1  # torchrun may end the first before it has said that it misses the second
    run = only_run(folder)
    assert run.name == only_run(undisturbed).name
    assert not (run / "result.json").exists()

    alone = cli("run", "test.gin", "--device", "cpu", "--data", ".", cwd=folder)
    assert alone.returncode == 1
    assert "began with 2 processes, not 1" in alone.stderr

    process = start(folder)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert (run / "metrics.jsonl").read_bytes() == (only_run(undisturbed) / "metrics.jsonl").read_bytes()
    resumed, straight = (json.loads((only_run(f) / "result.json").read_text()) for f in (folder, undisturbed))
    assert len(resumed["resumed_from"]) == 1
    assert resumed["metrics"] == straight["metrics"]
    assert resumed["correct"] == straight["correct"]
    assert resumed["cost"]["passes"] == straight["cost"]["passes"]


def test_a_task_that_cannot_be_shared_is_refused_in_one_line(tmp_path: Path) -> None:
    process = start(tmp_path, "-p", "run.task=@tasks.PES()")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1  # torchrun's, whatever the processes' own is
    (line,) = errors(err)
    assert "run.task: PES cannot be shared among processes" in line
    assert out == ""
    assert not [*(tmp_path / "runs").glob("*/metrics.jsonl")]
