"""Publishing beside a run: whatever becomes of that process, the run ends as if there were none."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.console import Cli
from support.wandb_runs import made_run
from support.wandb_server import KEY, Server, serving

from lpa3bench import config as configs
from lpa3bench.cli import main
from lpa3bench.plugin.registry import load_registry
from lpa3bench.publish import following
from lpa3bench.publish.following import FollowingProcess, follow_run
from lpa3bench.publish.from_run_directory import read_run
from lpa3bench.publish.target import Target
from lpa3bench.records import Record, read_record
from lpa3bench.training.job import Job
from lpa3bench.training.loop import run
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.training.sinks import RunInfo, Sink

CONFIG = """\
run.task = @tasks.Supervised()
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.epochs = 3
Supervised.batch_size = 16
Synthetic.size = 8
Synthetic.train = 32
Synthetic.val = 16
Synthetic.test = 16
SmallNet.width = 4
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [*os.environ]:
        if name.startswith(("WANDB_", "NETRC")):
            monkeypatch.delenv(name)
    for name in ("HOME", "WANDB_CONFIG_DIR", "LPA3BENCH_DATA"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    (tmp_path / "test.gin").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        yield server


def train(folder: Path, *sinks: Sink) -> Record:
    config = configs.load_config((folder.parent / "test.gin",), registry=load_registry())
    job = Job(config=config, device="cpu", data=folder, out=folder)
    return run(job, sinks).record


class Killer(Sink):
    """Kills the process that publishes, in the middle of the run."""

    def __init__(self, following: FollowingProcess) -> None:
        self.following = following
        self.returned: int | None = None

    def epoch(self, row: Mapping[str, Any]) -> None:
        if row["epoch"] == 1 and self.following.process is not None:
            self.following.process.kill()
            self.returned = self.following.process.wait(20)


def test_a_process_that_is_killed(home: Path, server: Server) -> None:
    expected = train(home / "alone")
    following = FollowingProcess(offline=False)
    killer = Killer(following)
    record = train(home / "published", following, killer)
    assert killer.returned == -signal.SIGKILL
    for part in ("metrics", "per_class", "correct", "status"):
        assert getattr(record.data, part) == getattr(expected.data, part), part
    (one,) = (home / "alone").glob("*/metrics.jsonl")
    (other,) = (home / "published").glob("*/metrics.jsonl")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_a_server_that_is_gone(home: Path, cli: Cli) -> None:
    """The real command; the process beside it ends by itself and says why."""
    done = cli("run", "test.gin", "--device", "cpu", "--wandb", "online", cwd=home)
    assert done.returncode == 0, done.stderr
    assert "last" in done.stdout
    assert "W&B: a process of its own publishes this run" in done.stderr
    (log,) = home.glob("runs/*/.wandb/follow.log")
    deadline = time.monotonic() + 60
    while "cannot be reached" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def test_a_finished_run_has_no_process_beside_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    asked = ["run", "test.gin", "--device", "cpu", "--data", "."]
    assert CliRunner().invoke(main, asked).exit_code == 0
    done = CliRunner().invoke(main, [*asked, "--wandb", "online"])
    assert done.exit_code == 0, done.output
    (folder,) = (path.parent for path in Path("runs").glob("*/result.json"))
    assert f"W&B: nothing was published; `lpa3bench publish {folder}` does so\n" in done.stderr
    assert not (folder / ".wandb").exists()


@pytest.mark.parametrize("fault", ["disabled", "no process"])
def test_a_process_that_cannot_be_started(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    if fault == "disabled":
        monkeypatch.setenv("WANDB_MODE", "disabled")
    else:
        monkeypatch.setattr("sys.executable", str(home / "nothing"))
    following = FollowingProcess(offline=False)
    following.start(RunInfo(run_id="r", folder=home, epochs=1, epochs_done=0, phases=()))
    assert following.process is None
    said = capsys.readouterr().err
    expected = {
        "disabled": "W&B: nothing is published: WANDB_MODE=disabled",
        "no process": "W&B: nothing is published meanwhile (",
    }
    assert expected[fault] in said
    assert len(said.splitlines()) == 1


@pytest.mark.slow
def test_following_a_run_to_its_end(home: Path, server: Server) -> None:
    folder = made_run(home / "runs", finished=False)
    told: list[str] = []
    ended: list[Any] = []

    def followed() -> None:
        ended.append(
            follow_run(
                folder, Target(), timeout=100, last=lambda: read_run(folder), tell=told.append, pause=0.0
            )
        )

    with RunDirectory(folder).locked():  # as the process that trains holds it
        thread = threading.Thread(target=followed, daemon=True)
        thread.start()
        deadline = time.monotonic() + 60
        while not told:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        ((path, held),) = server.store.runs.items()
        assert [row["epoch"] for row in server.store.rows(path)] == [0]
        assert held["summary"]["status"] == "unfinished"
        assert thread.is_alive(), "the run is under way"
        whole = made_run(home / "whole")
        (folder / "result.json").write_bytes((whole / "result.json").read_bytes())
    thread.join(100)
    assert not thread.is_alive()
    assert told[0] == "1 epoch: published"
    assert (ended[0].status, ended[0].rows) == ("published", 3)
    assert [row["epoch"] for row in server.store.rows(path) if "train/loss" in row] == [0, 1, 2]
    assert held["summary"]["metrics/accuracy.last"] == read_record(folder / "result.json").score(
        "accuracy.last"
    )


@pytest.mark.parametrize(
    ("offline", "key", "said"),
    [
        (False, None, True),
        (False, "WANDB_API_KEY", False),
        (False, "netrc", False),
        (True, None, False),
    ],
)
def test_a_missing_key_is_told_before_training(
    home: Path, monkeypatch: pytest.MonkeyPatch, offline: bool, key: str | None, said: bool
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example")
    if key == "netrc":
        (home / ".netrc").write_text(f"machine wandb.example login user password {KEY}\n")
    elif key is not None:
        monkeypatch.setenv(key, KEY)
    monkeypatch.setattr(following.subprocess, "Popen", lambda *words, **options: None)
    (home / "run").mkdir()
    stream = StringIO()
    sink = FollowingProcess(offline=offline, stream=stream)
    sink.start(RunInfo(run_id="run", folder=home / "run", epochs=1, epochs_done=0, phases=(), warnings=()))
    first, *more = stream.getvalue().splitlines()
    assert first.startswith("W&B: a process of its own publishes this run")
    assert bool(more) is said
    assert all("there is no key" in line and f"`lpa3bench publish {home}/run`" in line for line in more)
