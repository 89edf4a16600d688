"""A real suite of real runs, killed twice by `kill -9` and started again: the same records in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in Linux's /proc"),
]
CONFIG = """
run.dataset = @datasets.Digits()
run.backbone = @backbones.SmallNet
run.task = @tasks.Supervised()
run.epochs = 5
SmallNet.width = 8
Supervised.batch_size = 64
LPA3.iterations = 2
"""
SUITE = """
suite.cells = ["test.gin", "test.gin augmenters/lpa3"]
suite.seeds = (3, 4)
"""
RUNS = 4
REPRODUCED = ("metrics", "per_class", "correct", "labels")
"""Parts of a record that a rerun reproduces."""


class Shell:
    """The real command in a folder of its own.

    Args:
        rays: where a Ray that it starts may write.
    """

    def __init__(self, folder: Path, engine: str, rays: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "RAY_TMPDIR": str(rays)}
        folder.mkdir()
        (folder / "test.gin").write_text(CONFIG)
        (folder / "s.gin").write_text(SUITE)
        self.runs = folder / "runs"
        self.command = [
            sys.executable, "-m", "lpa3bench", "suite", "s.gin", "--engine", engine, "--workers", "2",
            "--device", "cpu", "--data", ".", "--no-forecast", "--json", "--out", str(self.runs),
        ]  # fmt: skip

    def start(self) -> subprocess.Popen[str]:
        with (self.folder / "printed").open("a") as printed, (self.folder / "out").open("w") as out:
            return subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=printed,
                text=True,
            )

    def finish(self, process: subprocess.Popen[str]) -> None:
        assert process.wait(600) == 0, self.printed
        told = json.loads((self.folder / "out").read_text())  # whatever Ray had to say
        assert {run["status"] for run in told["runs"]} == {"done"}

    @property
    def printed(self) -> str:
        return (self.folder / "printed").read_text()

    def records(self) -> dict[str, Any]:
        found = {path.parent.name: json.loads(path.read_text()) for path in self.runs.glob("*/result.json")}
        return {name: {part: record[part] for part in REPRODUCED} for name, record in found.items()}

    def resumed(self) -> list[str]:
        paths = self.runs.glob("*/result.json")
        return [path.parent.name for path in paths if json.loads(path.read_text())["resumed_from"]]

    def until(self, process: subprocess.Popen[str], reached: Callable[[], Any]) -> None:
        """Wait while the suite works towards something."""
        deadline = time.monotonic() + 400
        while not reached():
            assert process.poll() is None, self.printed
            assert time.monotonic() < deadline, f"nothing happened\n{self.printed}"
            time.sleep(0.005)

    def processes(self) -> dict[int, str]:
        """The runs under way, by their process: the arguments of each."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if "run" in words and str(self.runs) in words:
                found[int(entry.name)] = " ".join(words)
        return found

    def under_way(self) -> list[int]:
        """Processes of runs that have done an epoch, and are not done."""
        begun = [
            path.parent.name
            for path in self.runs.glob("*/metrics.jsonl")
            if path.stat().st_size and not (path.parent / "result.json").exists()
        ]
        return [
            pid
            for pid, words in self.processes().items()
            if any(
                ("lpa3" in name) == ("augmenters/lpa3" in words) and f"--seed {name[-1]}" in words
                for name in begun
            )
        ]


def parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("PPid:")[2].split()[0])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("undisturbed")
    shell = Shell(folder / "suite", "local", folder)
    shell.finish(shell.start())
    assert len(shell.records()) == RUNS
    assert not shell.resumed()
    return shell.records()


@pytest.fixture
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    with tempfile.TemporaryDirectory(dir="/tmp") as rays:  # a short path, which Ray's sockets need
        shell = Shell(tmp_path / "suite", request.param, Path(rays))
        yield shell
        for pid in shell.processes():
            os.kill(pid, signal.SIGKILL)
        assert [*Path(rays).iterdir()] == [], "neither Ray that was killed has left anything"


ENGINES = [
    "local",
    pytest.param("ray", marks=pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")),
]


@pytest.mark.long
@pytest.mark.parametrize("shell", ENGINES, indirect=True)
def test_killed_twice_ends_with_the_same_records(
    shell: Shell, undisturbed: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    # The suite itself. Its runs end with it, so that nothing goes on unseen.
    suite = shell.start()
    shell.until(suite, shell.under_way)
    suite.kill()
    suite.wait()
    deadline = time.monotonic() + 120
    while shell.processes():
        assert time.monotonic() < deadline, "a run outlived its suite"
        time.sleep(0.05)
    assert len(shell.records()) < RUNS

    # A worker: the run, or the process of Ray's that is its parent. The suite does that run again.
    suite = shell.start()
    shell.until(suite, shell.under_way)
    victim = shell.under_way()[0]
    by_ray = "ray" in request.node.callspec.id
    os.kill(parent(victim) if by_ray else victim, signal.SIGKILL)
    shell.finish(suite)

    assert shell.records() == undisturbed
    assert shell.resumed(), "none went on from its checkpoint"
    before = {path: path.stat().st_mtime_ns for path in shell.runs.glob("*/*")}
    shell.finish(shell.start())  # there is nothing left to do
    assert {path: path.stat().st_mtime_ns for path in shell.runs.glob("*/*")} == before
