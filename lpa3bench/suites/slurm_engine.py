"""Runs through Slurm, which owns machines, the queue and time limits: the only file that imports submitit.

The runs that are handed in together become one job array. The jobs belong to Slurm: a suite that is stopped
or killed leaves them in its queue, and the next one finds them there.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpa3bench.errors import TryAgain, UsageError
from lpa3bench.runtime.files import ask_again, make_folders, write_text
from lpa3bench.suites.engine import EndedRun, Engine, Launch
from lpa3bench.suites.slurm_job import SlurmJob, read_ending

SLURM_FOLDER = ".slurm"
"""In `--out`: what submitit writes, and which job does which run."""
AT_ONCE = 256
"""Jobs of an array that Slurm may start at once."""
JOB_TIME = "4:00:00"
"""How long a job may take, unless the user says; a run that takes longer goes on in its job's next turn."""
WARNING_SECONDS = 90
"""How long before the time limit Slurm signals; of short jobs a quarter."""
ENDING_SECONDS = 1.0
QUEUE_SECONDS = 30.0
"""Between two looks at Slurm's queue, which only tell whether a job has vanished from it."""
ANSWER_SECONDS = 20.0
"""For Slurm to say what is in its queue."""
TIME_LIMIT = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")


def connect_slurm(options: Mapping[str, str], *, out: Path, workers: int | None, threads: int) -> SlurmEngine:
    """Get ready to hand jobs to the Slurm of this machine.

    Args:
        options: of `sbatch`, without their dashes, by name.
        out: where runs are done, on a disk that the nodes share.
        workers: jobs at once, at most.
        threads: CPUs of each run.

    Raises:
        UsageError: submitit is not installed, there is no Slurm here, or no such time limit.
    """
    try:
        import submitit
    except ImportError as error:
        raise UsageError(
            "--engine slurm: submitit is not installed; pip install 'lpa3bench[slurm]'"
        ) from error
    missing = [name for name in ("sbatch", "srun", "squeue", "scontrol") if shutil.which(name) is None]
    if missing:
        raise UsageError(f"--engine slurm: there is no Slurm here: {', '.join(missing)} is not on the PATH")
    minutes = minutes_of({"time": JOB_TIME, **options}["time"])
    warning = min(WARNING_SECONDS, 60 * minutes // 4)
    folder = (out / SLURM_FOLDER).absolute()
    options = {"cpus-per-task": str(threads), **options}
    executor = submitit.SlurmExecutor(folder=folder)
    executor.update_parameters(
        job_name="lpa3bench",
        time=minutes,
        signal_delay_s=warning,
        array_parallelism=workers or AT_ONCE,
        stderr_to_stdout=True,
        srun_args=[f"--cpus-per-task={options['cpus-per-task']}"],  # which it does not take from sbatch
        additional_parameters={"requeue": True, **{n: v for n, v in options.items() if n != "time"}},
    )
    return SlurmEngine(executor, folder, capacity=workers or AT_ONCE, seconds=60 * minutes - warning)


def sbatch_options(texts: Sequence[str]) -> dict[str, str]:
    """Values by name of texts `OPTION=VALUE`; dashes before a name are passed over.

    Raises:
        UsageError: one is no such text.
    """
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not (name.strip("-") and value):
            raise UsageError(f"--sbatch {text}: is OPTION=VALUE, as in time=4:00:00")
        found[name.lstrip("-")] = value
    return found


def minutes_of(limit: str) -> int:
    """Of a time limit as sbatch takes it, seconds being rounded up: `minutes`, `minutes:seconds`,
    `hours:minutes:seconds`, `days-hours`, `days-hours:minutes` or `days-hours:minutes:seconds`.

    Raises:
        UsageError: it is no such text, or no time at all.
    """
    found = TIME_LIMIT.fullmatch(limit.strip())
    numbers = [int(text) for text in found.groups()[1:] if text is not None] if found else []
    days = int(found[1]) if found and found[1] else None
    if days is not None or len(numbers) == 3:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    else:
        hours, (minutes, seconds) = 0, (*numbers, 0, 0)[:2]
    whole = -(-(((days or 0) * 24 + hours) * 3600 + minutes * 60 + seconds) // 60)
    if not whole:
        raise UsageError(f"--sbatch time={limit}: a time limit is as sbatch takes it: 90, 4:00:00, 1-12")
    return whole


@dataclass(frozen=True)
class _Submitted:
    job: str
    """Its id: `12`, or `12_3` of an array."""
    since: float
    """When it was handed in or found, by `time.monotonic`."""


class SlurmEngine(Engine):
    """Jobs of the Slurm here; `connect_slurm` makes one.

    Args:
        executor: submitit's, set up.
        folder: the one it writes into.
        seconds: from a job's start until Slurm warns that its time limit is near.
    """

    on_stop = "leaving the jobs to Slurm"

    def __init__(self, executor: Any, folder: Path, *, capacity: int, seconds: float) -> None:
        self._executor = executor
        self._folder = folder
        self._capacity = capacity
        self._seconds = seconds
        self._new: dict[str, Launch] = {}
        self._submitted: dict[str, _Submitted] = {}
        self._queue = _Queue()
        self._look_at = 0.0
        self._stopped: list[EndedRun] = []
        self._left: list[str] = []

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def after_stop(self) -> str:
        if not self._left:
            return super().after_stop
        return f"their jobs stay with Slurm (scancel {' '.join(self._left)} ends them); {super().after_stop}"

    def has_room(self) -> bool:
        """Slurm queues what it cannot place yet."""
        return True

    def holds(self, name: str) -> bool:
        """Whether a job that does this run is in Slurm's queue, or at work."""
        return self._job_before(name) in (self._queue.jobs() or ())

    def submit(self, name: str, launch: Launch) -> None:
        """Queue it for the next array, or find the job that an earlier suite has made of it."""
        job = self._job_before(name)
        if job is not None and self.holds(name):
            self._submitted[name] = _Submitted(job, time.monotonic())
        else:
            self._new[name] = launch

    def poll(self) -> list[EndedRun]:
        """Those whose jobs wrote how they ended, and those whose jobs are gone.

        Raises:
            UsageError: Slurm does not take the jobs that were handed in.
        """
        if self._new:
            self._submit_array()
        found, self._stopped = self._stopped, []
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + ENDING_SECONDS
            found += (ended for name in [*self._submitted] if (ended := self._ended(name)) is not None)
        return found

    def stop(self, number: int) -> None:
        """Leave all jobs where they are."""
        self._left = sorted({one.job.partition("_")[0] for one in self._submitted.values()}, key=int)
        names = (*self._new, *self._submitted)
        self._stopped = [EndedRun(name, 128 + number, "left to Slurm") for name in names]
        self._new.clear()
        self._submitted.clear()

    def close(self) -> None:
        """Nothing is to be freed."""

    def _submit_array(self) -> None:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        new, self._new = self._new, {}
        make_folders([self._folder])
        for name in new:
            self._file(name, "ending").unlink(missing_ok=True)
        try:
            with self._executor.batch():
                jobs = [
                    self._executor.submit(SlurmJob(launch, str(self._file(name, "ending")), self._seconds))
                    for name, launch in new.items()
                ]
        except (FailedJobError, FailedSubmissionError) as error:
            said = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise UsageError(f"--engine slurm: {said[0]}") from error
        for name, job in zip(new, jobs, strict=True):
            self._submitted[name] = _Submitted(job.job_id, time.monotonic())
            write_text(self._file(name, "job"), f"{job.job_id}\n")

    def _ended(self, name: str) -> EndedRun | None:
        """How the run ended; None while its job is in the queue or at work."""
        one, path = self._submitted[name], self._file(name, "ending")
        ending = read_ending(path)
        if ending is None:
            jobs = self._queue.jobs(after=one.since)
            if jobs is None or one.job in jobs:
                return None
            ask_again(self._folder)
            ending = read_ending(path)
        del self._submitted[name]
        if ending is not None:
            return EndedRun(name, ending.code, ending.cause)
        gone = f"job {one.job} left Slurm's queue (cancelled, killed, or its machine died)"
        return EndedRun(name, TryAgain.exit_code, f"{gone}; the same command goes on", TryAgain.kind)

    def _job_before(self, name: str) -> str | None:
        """The job that was last made of this run."""
        with suppress(OSError):
            return self._file(name, "job").read_text().strip()
        return None

    def _file(self, name: str, kind: str) -> Path:
        return self._folder / f"{name}.{kind}"


class _Queue:
    """The user's jobs in Slurm's queue, which is asked now and then."""

    def __init__(self) -> None:
        self._jobs: frozenset[str] | None = None
        self._seen = -math.inf
        self._ask_at = -math.inf

    def jobs(self, after: float = -math.inf) -> frozenset[str] | None:
        """Their ids, seen after this time; None where they were not, or Slurm does not answer."""
        now = time.monotonic()
        if now >= self._ask_at:
            self._ask_at = now + QUEUE_SECONDS
            self._jobs, self._seen = _jobs_in_queue(), now
        return self._jobs if self._seen > after else None


def _jobs_in_queue() -> frozenset[str] | None:
    try:
        told = subprocess.run(
            ["squeue", "--array", "--noheader", f"--user={os.getuid()}", "--format=%i"],
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError:
        return None
    return frozenset(told.stdout.split())
