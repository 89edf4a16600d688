"""Slurm: what is refused at once, what is handed in, and what is said of jobs that end or vanish.

Slurm's commands are stand-ins here; tests/e2e has the real ones.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from lpa3bench.errors import UsageError
from lpa3bench.suites import slurm_engine
from lpa3bench.suites.engine import EndedRun, Launch
from lpa3bench.suites.slurm_engine import SlurmEngine, connect_slurm, minutes_of, sbatch_options
from lpa3bench.suites.slurm_job import Ending

needs_submitit = pytest.mark.skipif(find_spec("submitit") is None, reason="submitit is not installed")
SBATCH = """
if grep -q partition=nope "$1"; then
    echo "sbatch: error: invalid partition specified: nope" >&2
    echo "sbatch: error: Batch job submission failed: Invalid partition name specified" >&2
    exit 1
fi
cp "$1" "$SLURM_FAKE/script.$(ls "$SLURM_FAKE" | wc -l)"
echo "Submitted batch job 7"
"""


class FakeSlurm:
    """Its commands, of which `squeue` prints what the test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queue("")
        for name, text in (
            ("sbatch", SBATCH),
            ("srun", ""),
            ("scontrol", ""),
            ("squeue", 'cat "$SLURM_FAKE/../queue"'),
        ):
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)
        (folder / "handed in").mkdir()

    def queue(self, text: str) -> None:
        (self.folder / "queue").write_text(text)

    @property
    def scripts(self) -> list[str]:
        return [path.read_text() for path in sorted((self.folder / "handed in").iterdir())]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    (tmp_path / "bin").mkdir()
    fake = FakeSlurm(tmp_path / "bin")
    monkeypatch.setenv("SLURM_FAKE", str(tmp_path / "bin" / "handed in"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(slurm_engine, "ENDING_SECONDS", 0.0)
    monkeypatch.setattr(slurm_engine, "QUEUE_SECONDS", 0.0)
    return fake


@pytest.fixture
def connect(slurm: FakeSlurm, tmp_path: Path) -> Callable[..., SlurmEngine]:
    def connected(options: dict[str, str] | None = None, workers: int | None = None) -> SlurmEngine:
        return connect_slurm(options or {}, out=tmp_path / "runs", workers=workers, threads=2)

    return connected


def launch(tmp_path: Path, name: str) -> Launch:
    runs = tmp_path / "runs"
    return Launch(("a.gin",), {}, str(tmp_path), str(runs / ".logs" / f"{name}.log"), str(runs / name))


def hand_in(engine: SlurmEngine, tmp_path: Path, *names: str) -> list[EndedRun]:
    for name in names:
        assert engine.has_room()
        engine.submit(name, launch(tmp_path, name))
    return engine.poll()


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [
        ("90", 90), ("90:00", 90), ("0:30", 1), ("4:00:00", 240), ("1-12", 36 * 60), ("1-0:30", 24 * 60 + 30),
        ("2-00:00:01", 2 * 24 * 60 + 1), ("00:10:00", 10),
    ],
)  # fmt: skip
def test_time_limits_are_read_as_sbatch_reads_them(limit: str, minutes: int) -> None:
    assert minutes_of(limit) == minutes


@pytest.mark.parametrize("limit", ["", "4h", "0", "0:00", "-5", "1:2:3:4", "UNLIMITED"])
def test_what_is_no_time_limit(limit: str) -> None:
    with pytest.raises(UsageError, match=f"^--sbatch time={limit}: a time limit is as sbatch takes it: 90, "):
        minutes_of(limit)


@pytest.mark.parametrize("text", ["time", "=4", "time=", "--=4"])
def test_what_is_no_option_of_sbatch(text: str) -> None:
    with pytest.raises(UsageError, match=f"^--sbatch {text}: is OPTION=VALUE, as in time=4:00:00$"):
        sbatch_options([text])


def test_without_submitit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UsageError, match=r"submitit is not installed; pip install 'lpa3bench\[slurm\]'"):
        connect_slurm({}, out=tmp_path, workers=None, threads=1)


@needs_submitit
def test_where_there_is_no_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no Slurm here: sbatch, srun, squeue, scontrol is not on"):
        connect_slurm({}, out=tmp_path, workers=None, threads=1)


@needs_submitit
def test_what_is_handed_in_together_is_one_array(
    connect: Callable[..., SlurmEngine], slurm: FakeSlurm, tmp_path: Path
) -> None:
    engine = connect({"time": "2:00:00", "partition": "gpu", "gpus": "1"}, workers=2)
    slurm.queue("7_0\n7_1\n7_2\n")
    assert engine.capacity == 2
    assert hand_in(engine, tmp_path, "a", "b", "c") == []
    (script,) = slurm.scripts
    for line in (
        "array=0-2%2", "time=120", "signal=USR2@90", "requeue", "cpus-per-task=2", "gpus=1", "partition=gpu",
    ):  # fmt: skip
        assert f"#SBATCH --{line}\n" in script
    assert "srun --unbuffered" in script
    assert "--cpus-per-task=2 " in script.rpartition("srun")[2], "srun does not take it from sbatch"
    assert engine.poll() == []
    assert len(slurm.scripts) == 1


@needs_submitit
def test_a_short_job_is_warned_when_a_quarter_is_left(
    connect: Callable[..., SlurmEngine], slurm: FakeSlurm, tmp_path: Path
) -> None:
    hand_in(connect({"time": "2", "cpus-per-task": "8"}), tmp_path, "a")
    (script,) = slurm.scripts
    assert "#SBATCH --signal=USR2@30\n" in script
    assert "#SBATCH --cpus-per-task=8\n" in script


@needs_submitit
def test_what_slurm_refuses_is_one_line_of_its_own(
    connect: Callable[..., SlurmEngine], tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        hand_in(connect({"partition": "nope"}), tmp_path, "a", "b")
    assert str(caught.value) == (
        "--engine slurm: sbatch: error: Batch job submission failed: Invalid partition name specified"
    )


@needs_submitit
def test_how_runs_ended_is_what_their_jobs_wrote(
    connect: Callable[..., SlurmEngine], slurm: FakeSlurm, tmp_path: Path
) -> None:
    """Whether or not Slurm still lists them. One that is gone and wrote nothing may go well another time."""
    engine = connect()
    slurm.queue("7_0\n7_1\n7_2\n")
    hand_in(engine, tmp_path, "a", "b", "c")
    Ending(1, "the loss is NaN").write(tmp_path / "runs" / ".slurm" / "b.ending")
    assert engine.poll() == [EndedRun("b", 1, "the loss is NaN")]
    slurm.queue("7_0\n8_2\n")
    (gone,) = engine.poll()
    assert (gone.name, gone.code, gone.kind) == ("c", 75, "lost")
    assert gone.cause.startswith("job 7_2 left Slurm's queue (cancelled, killed, or its machine died); ")
    Ending(0, "").write(tmp_path / "runs" / ".slurm" / "a.ending")
    slurm.queue("")
    assert engine.poll() == [EndedRun("a", 0, "")]
    assert engine.poll() == []


@needs_submitit
def test_a_slurm_that_does_not_answer_loses_no_job(
    connect: Callable[..., SlurmEngine], slurm: FakeSlurm, tmp_path: Path
) -> None:
    engine = connect()
    (slurm.folder / "queue").unlink()
    assert hand_in(engine, tmp_path, "a", "b") == []
    assert engine.poll() == []


@needs_submitit
def test_another_suite_finds_the_jobs_that_are_left(
    connect: Callable[..., SlurmEngine], slurm: FakeSlurm, tmp_path: Path
) -> None:
    first = connect()
    slurm.queue("7_0\n7_1\n")
    hand_in(first, tmp_path, "a", "b")
    first.submit("c", launch(tmp_path, "c"))
    first.stop(signal.SIGINT)
    assert {one.name: one.code for one in first.poll()} == {"a": 130, "b": 130, "c": 130}
    assert first.after_stop == ("their jobs stay with Slurm (scancel 7 ends them); the same command goes on")
    assert len(slurm.scripts) == 1, "what was not handed in yet never is"

    Ending(1, "of an attempt before").write(tmp_path / "runs" / ".slurm" / "b.ending")
    slurm.queue("7_0\n")
    second = connect()
    assert (second.holds("a"), second.holds("b"), second.holds("c")) == (True, False, False)
    assert hand_in(second, tmp_path, "a") == []
    assert len(slurm.scripts) == 1
    slurm.queue("7_0\n7\n")
    assert hand_in(second, tmp_path, "b") == [], "its ending is of the job before"
    assert len(slurm.scripts) == 2
