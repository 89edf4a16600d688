"""A suite on a real Slurm of one node: its array killed once, its jobs preempted and cut by their time limit,
and the same records in the end as those of docs/cluster.md's own job file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support.slurm import NoSlurm, one_node_slurm

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("submitit") is None, reason="submitit is not installed"),
]
CONFIG = """
run.dataset = @datasets.Digits()
run.backbone = @backbones.SmallNet
run.task = @tasks.Supervised()
run.view = @Tiring()
run.epochs = 40
SmallNet.width = 4
Supervised.batch_size = 128
"""
SUITE = """
suite.cells = ["test.gin", "test.gin -p run.view=None"]
suite.seeds = (3,)
"""
TIRING = """
import time
from pathlib import Path
import torch
from lpa3bench import Augmenter, View, hookimpl

class Tiring(Augmenter):
    def generate(self, x, ctx):
        if Path("slow").exists():
            time.sleep(0.3)
        return View(x, torch.arange(len(x), device=x.device))

@hookimpl
def register_augmenters(register):
    register("Tiring", Tiring)
"""
REPRODUCED = ("metrics", "per_class", "correct", "labels")
"""Parts of a record that a rerun reproduces."""


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    """The environment of Slurm's commands."""
    try:
        with one_node_slurm() as environment:
            yield environment
    except NoSlurm as why:
        pytest.skip(f"no Slurm here: {why}")


class Folder:
    """Where a user works: config, plugin and suite, and the runs of the suite."""

    def __init__(self, path: Path, slurm: dict[str, str]) -> None:
        self.path = path
        self.runs = path / "runs"
        self.environment = {**os.environ, **slurm}
        self._hurried: set[tuple[str, int]] = set()
        path.mkdir()
        for name, text in (("test.gin", CONFIG), ("s.gin", SUITE), ("tiring.py", TIRING)):
            (path / name).write_text(text)
        self.suite = [
            sys.executable, "-m", "lpa3bench", "suite", "s.gin", "--plugin", "tiring.py", "--device", "cpu",
            "--data", ".",
        ]  # fmt: skip

    def start(self) -> subprocess.Popen[str]:
        options = ("--engine", "slurm", "--sbatch", "time=10", "--json")
        with (self.path / "printed").open("a") as printed, (self.path / "out").open("w") as out:
            return subprocess.Popen(
                [*self.suite, *options],
                cwd=self.path,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=printed,
                text=True,
            )

    def ask(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def jobs(self, *states: str) -> list[str]:
        """Those in the queue, in these states."""
        chosen = [f"--states={','.join(states)}"] if states else []
        return self.ask("squeue", "--noheader", "--array", "--name=lpa3bench", "--format=%i", *chosen).split()

    def restarts(self, job: str) -> int:
        """How often Slurm put it back into the queue."""
        return int(self.ask("scontrol", "show", "job", job).partition("Restarts=")[2].split()[0])

    def plans(self) -> int:
        """How many suites have printed their plan."""
        return self.printed().count("runs       2: ")

    def job_of(self, run: str) -> str:
        return (self.runs / ".slurm" / f"{run}.job").read_text().strip()

    def epochs(self) -> dict[str, int]:
        """That are done of runs that are not, by name."""
        return {
            path.parent.name: path.read_bytes().count(b"\n")
            for path in self.runs.glob("*/metrics.jsonl")
            if not (path.parent / "result.json").exists()
        }

    def printed(self) -> str:
        return (self.path / "printed").read_text()

    def told(self) -> str:
        """By the suite and by Slurm, where something went wrong."""
        logs = Path(self.environment["SLURM_CONF"]).parent.glob("slurm*.log")
        return "\n".join((self.printed(), *(path.read_text()[-3000:] for path in logs)))

    def submitted(self) -> set[str]:
        """The arrays that were handed in."""
        return {path.name.partition("_")[0] for path in (self.runs / ".slurm").glob("[0-9]*_submission.sh")}

    def records(self) -> dict[str, Any]:
        return {path.parent.name: json.loads(path.read_text()) for path in self.runs.glob("*/result.json")}

    def until(self, reached: Callable[[], Any], suite: subprocess.Popen[str] | None = None) -> None:
        """Wait; a job that is back in the queue is not made to wait two minutes, as Slurm would."""
        deadline = time.monotonic() + 240
        while not reached():
            assert suite is None or suite.poll() is None, self.told()
            assert time.monotonic() < deadline, f"nothing happened\n{self.told()}"
            for line in self.ask("squeue", "--noheader", "--array", "--format=%i %r").splitlines():
                job, reason = line.split()
                if reason == "BeginTime" and (job, self.restarts(job)) not in self._hurried:
                    self._hurried.add((job, self.restarts(job)))
                    # A node takes no job in the second in which it was put back.
                    self.ask("scontrol", "update", f"JobId={job}", "StartTime=now+3")
            time.sleep(0.1)


def outcomes(records: dict[str, Any]) -> dict[str, Any]:
    return {name: {part: record[part] for part in REPRODUCED} for name, record in records.items()}


@pytest.fixture
def by_hand(slurm: dict[str, str], tmp_path: Path) -> dict[str, Any]:
    """The records of the suite's runs, as the job file of the documentation makes them of its printed lines.

    Nothing disturbs them, and the jobs get nothing of this environment.
    """
    folder = Folder(tmp_path / "by hand", slurm)
    (text,) = re.findall(r"```bash\n(#!.*?)```", (ROOT / "docs" / "cluster.md").read_text(), re.DOTALL)
    lines = [line for line in text.splitlines() if "--gpus" not in line and "--partition" not in line]
    submitted = tmp_path / "elsewhere"
    submitted.mkdir()
    (submitted / "array.sbatch").write_text("\n".join(lines) + "\n")
    (submitted / "commands").write_text(folder.ask(*folder.suite, "--list-commands"))
    count = len((submitted / "commands").read_text().splitlines())
    subprocess.run(
        ["sbatch", "--wait", "--export=NONE", "--cpus-per-task=1", f"--array=1-{count}", "array.sbatch"],
        cwd=submitted,
        env=folder.environment,
        check=True,
        timeout=240,
    )
    records = folder.records()
    assert len(records) == count == 2
    assert not any(record["resumed_from"] for record in records.values())
    return records


@pytest.mark.long
def test_an_array_that_is_killed_preempted_and_cut_ends_with_the_same_records(
    slurm: dict[str, str], tmp_path: Path, by_hand: dict[str, Any]
) -> None:
    folder = Folder(tmp_path / "suite", slurm)
    (long,) = (name for name in by_hand if "tiring" in name)
    (folder.path / "slow").touch()

    # The suite is killed. Its jobs go on, and another suite finds them and hands in nothing.
    suite = folder.start()
    folder.until(lambda: folder.epochs().get(long, 0) > 1, suite)
    suite.kill()
    suite.wait()
    job = folder.job_of(long)
    array = job.partition("_")[0]
    assert job in folder.jobs("RUNNING")
    suite = folder.start()
    folder.until(lambda: folder.plans() == 2, suite)
    time.sleep(1)
    suite.send_signal(signal.SIGINT)
    assert suite.wait(60) == 130
    assert f"their jobs stay with Slurm (scancel {array} ends them)" in folder.printed()
    assert job in folder.jobs("RUNNING")

    # The array is killed, and the same command does the rest of it.
    folder.ask("scancel", array)
    folder.until(lambda: not folder.jobs())
    assert long not in folder.records()
    suite = folder.start()
    folder.until(lambda: folder.job_of(long) != job, suite)
    job, before = folder.job_of(long), folder.epochs()[long]
    folder.until(lambda: folder.epochs()[long] > before, suite)

    # A job that counts for more takes the node.
    folder.ask("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true")
    folder.until(lambda: folder.restarts(job) == 1, suite)
    before = folder.epochs()[long]
    folder.until(lambda: folder.epochs()[long] > before, suite)

    # The time limit comes before the run is over.
    folder.ask("scontrol", "update", f"JobId={job}", "TimeLimit=1")
    folder.until(lambda: folder.restarts(job) == 2, suite)
    folder.ask("scontrol", "update", f"JobId={job}", "TimeLimit=10")
    (folder.path / "slow").unlink()
    folder.until(lambda: long in folder.records(), suite)
    assert suite.wait(60) == 0, folder.printed()

    told = json.loads((folder.path / "out").read_text())
    assert {run["status"] for run in told["runs"]} == {"done"}
    assert outcomes(folder.records()) == outcomes(by_hand)
    assert len(folder.records()[long]["resumed_from"]) == 3
    assert folder.submitted() == {array, job.partition("_")[0]}

    # The board, with the records that another machine made.
    lpa3bench = (sys.executable, "-m", "lpa3bench")
    folder.ask(*lpa3bench, "leaderboard", "build", "board", "--from", "runs")
    folder.ask(*lpa3bench, "leaderboard", "merge", "board", str(tmp_path / "by hand" / "runs"))
    board = (folder.path / "board" / "README.md").read_text()
    assert "Tiring" in board
