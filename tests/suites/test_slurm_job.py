"""A run as a job: when it goes back into the queue, and what it leaves for the suite when it does not."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lpa3bench.errors import RunFailed
from lpa3bench.runtime.signals import STOPPING
from lpa3bench.suites import slurm_job
from lpa3bench.suites.engine import Launch, log_heading
from lpa3bench.suites.slurm_job import Ending, SlurmJob, read_ending

HOURS = 4 * 3600.0
SCONTROL = """#!/bin/sh
echo "$@" >> "$FAKE/asked"
if [ "$1" = requeue ]; then
    if [ -e "$FAKE/no_requeue" ]; then
        echo "Requested operation is presently disabled for job 7_2" >&2
        exit 1
    fi
else
    echo "JobId=9 ArrayJobId=7 JobState=$(cat "$FAKE/state") Reason=None"
fi
"""
SIGNALLED = "trap 'exit 143' TERM; kill -{name} $PPID; while :; do sleep 0.05; done"
Does = Callable[..., int]


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmJob]:
    (tmp_path / "scontrol").write_text(SCONTROL)
    (tmp_path / "scontrol").chmod(0o755)
    (tmp_path / "state").write_text("RUNNING")
    (tmp_path / "run").mkdir()
    for name, value in (
        ("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}"), ("FAKE", str(tmp_path)),
        ("SLURM_JOB_ID", "9"), ("SLURM_ARRAY_JOB_ID", "7"), ("SLURM_ARRAY_TASK_ID", "2"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    for name in ("CHILD_SECONDS", "OWN_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(slurm_job, name, 0.05)
    before = [signal.getsignal(number) for number in STOPPING]
    launch = Launch((), {}, str(tmp_path), str(tmp_path / "log"), str(tmp_path / "run"))
    yield SlurmJob(launch, str(tmp_path / "ending"), HOURS)
    for number, handler in zip(STOPPING, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def does(monkeypatch: pytest.MonkeyPatch) -> Does:
    """Does the job, its runs being these shell scripts one after the other; returns its exit status."""

    def do(job: SlurmJob, *scripts: str) -> int:
        left = [*scripts]

        def start(launch: Launch) -> subprocess.Popen[bytes]:
            with Path(launch.log).open("ab") as log:
                log.write(log_heading(("a.gin",)))
                log.flush()
                return subprocess.Popen(["sh", "-c", left.pop(0)], cwd=launch.cwd, stdout=log)

        monkeypatch.setattr(slurm_job, "start_run", start)
        with pytest.raises(SystemExit) as ended:
            pickle.loads(pickle.dumps(job))()
        assert not left
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return do


def asked(job: SlurmJob) -> list[str]:
    """What Slurm was asked to do."""
    told = Path(job.launch.cwd) / "asked"
    return [line for line in told.read_text().splitlines() if "show" not in line] if told.exists() else []


@pytest.mark.parametrize(
    ("script", "code", "ending"),
    [
        ("exit 0", 0, Ending(0, "")),
        ("echo error: a.gin:1: no such thing; exit 3", 3, Ending(3, "a.gin:1: no such thing")),
        ("kill -KILL $$", 137, Ending(-9, "killed by SIGKILL")),
        ("kill -TERM $$", 143, Ending(-15, "killed by SIGTERM")),
    ],
)
def test_a_run_that_is_over_is_told_of(
    job: SlurmJob, does: Does, script: str, code: int, ending: Ending
) -> None:
    """Slurm sees its exit status too."""
    assert read_ending(Path(job.ending)) is None
    assert does(job, script) == code
    assert read_ending(Path(job.ending)) == ending
    assert asked(job) == []


@pytest.mark.parametrize("name", ["TERM", "USR1", "USR2"])
def test_a_signal_stops_the_run_and_puts_the_job_back_into_the_queue(
    job: SlurmJob, does: Does, name: str
) -> None:
    assert does(job, SIGNALLED.format(name=name)) == 0
    assert asked(job) == ["requeue 7_2"]
    assert not Path(job.ending).exists()


def test_outside_an_array_a_job_has_one_number(
    job: SlurmJob, does: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID")
    does(job, SIGNALLED.format(name="USR2"))
    assert asked(job) == ["requeue 9"]


def test_a_run_that_does_not_stop_is_killed(
    job: SlurmJob, does: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_job, "STEP_SECONDS", 0.2)
    assert does(job, SIGNALLED.format(name="TERM").replace("exit 143", "true")) == 0
    assert asked(job) == ["requeue 7_2"]


@pytest.mark.parametrize("end", ["exit 0", "echo > run/result.json; kill -USR2 $$"])
def test_one_that_is_done_all_the_same_is_done(job: SlurmJob, does: Does, end: str) -> None:
    """Also where the signal killed what had written all and had only to exit."""
    assert does(job, f"trap '{end}' TERM; kill -USR1 $PPID; while :; do sleep 0.05; done") == 0
    assert read_ending(Path(job.ending)) == Ending(0, "")
    assert asked(job) == []


def test_a_job_that_slurm_ends_itself_is_left_to_it(job: SlurmJob, does: Does) -> None:
    """It was cancelled, or is on its way into the queue already."""
    (Path(job.launch.cwd) / "state").write_text("COMPLETING")
    assert does(job, SIGNALLED.format(name="TERM")) == 143
    assert asked(job) == []
    assert not Path(job.ending).exists()


@pytest.mark.parametrize("epoch", [True, False])
def test_a_job_that_reached_its_limit_goes_on_if_it_got_anywhere(
    job: SlurmJob, does: Does, epoch: bool
) -> None:
    """Else it would be put back for ever. One that was preempted early is."""
    (Path(job.launch.folder) / "metrics.jsonl").write_text("{}\n")
    script = f"{'echo {} >> run/metrics.jsonl;' * epoch} {SIGNALLED.format(name='USR2')}"
    assert does(replace(job, seconds=60.0), script) == (0 if epoch else 1)
    assert asked(job) == ["requeue 7_2"] * epoch
    ending = read_ending(Path(job.ending))
    assert (ending and ending.cause) == (
        None if epoch else "no epoch was finished in a job of 1 minutes; give it more: --sbatch time=..."
    )


def test_where_slurm_does_not_put_it_back_the_suite_is_told(job: SlurmJob, does: Does) -> None:
    (Path(job.launch.cwd) / "no_requeue").touch()
    assert does(job, SIGNALLED.format(name="USR1")) == 75
    assert read_ending(Path(job.ending)) == Ending(
        75,
        "Slurm did not put it back into the queue: Requested operation is presently disabled for job 7_2",
    )


def test_the_lock_of_a_machine_that_died_is_waited_for(
    job: SlurmJob, does: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert does(job, "exit 75", "exit 75", "exit 0") == 0
    assert read_ending(Path(job.ending)) == Ending(0, "")
    monkeypatch.setattr(slurm_job, "LEASE_SECONDS", 0.0)
    assert does(job, "echo error: held; exit 75") == 75
    assert read_ending(Path(job.ending)) == Ending(75, "held")


def test_a_run_that_cannot_be_started(job: SlurmJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Launch) -> None:
        raise RunFailed("it cannot be started")

    monkeypatch.setattr(slurm_job, "start_run", refuse)
    with pytest.raises(SystemExit):
        job()
    assert read_ending(Path(job.ending)) == Ending(1, "it cannot be started")


@pytest.mark.parametrize("text", ["", "[]", '{"code": "a", "cause": ""}', "\udcff"])
def test_a_damaged_ending_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "ending").write_bytes(text.encode(errors="surrogateescape"))
    assert read_ending(tmp_path / "ending") is None
