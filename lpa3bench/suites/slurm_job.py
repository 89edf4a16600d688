"""What a job of Slurm's does: one run, which is stopped, and put back into the queue, when its time is over.

submitit calls it on a node. A job that is preempted or about to reach its time limit gets a signal, and so
does the run, which stops between two steps. The job then goes back into Slurm's queue under its own id, and
the run goes on from its checkpoint. Imports no torch.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import msgspec

from lpa3bench.errors import InUse, RunFailed
from lpa3bench.runtime.files import read_at_most, write_text
from lpa3bench.runtime.signals import STOPPING
from lpa3bench.runtime.supervised import kill_descendants
from lpa3bench.suites.engine import Launch, failure_line, start_run
from lpa3bench.training.run_directory import RunDirectory

CHILD_SECONDS = 0.2
STEP_SECONDS = 60.0
"""For a run to end its step."""
OWN_SECONDS = 10.0
"""For a run to act on the signal that Slurm sent to all processes of the job, before it is sent one more."""
EARLY_SECONDS = 65.0
"""Slurm warns up to a minute earlier than it was asked to."""
LEASE_SECONDS = 180.0
"""For the lock of an attempt whose machine died: an NFS server frees it when its lease is over."""
RETRY_SECONDS = 15.0
LARGEST_ENDING = 2**16
"""Bytes of an `Ending` that is worth reading."""


@dataclass(frozen=True)
class Ending:
    """How a run ended for good, for the suite to read: a job that goes back into the queue writes none."""

    code: int
    """As `EndedRun` has it."""
    cause: str

    def write(self, path: Path) -> None:
        """Write it, all or nothing.

        Raises:
            RunFailed: the disk refused it.
        """
        write_text(path, json.dumps(asdict(self)) + "\n")


def read_ending(path: Path) -> Ending | None:
    """The ending that the file tells of; None while there is none."""
    try:
        return msgspec.json.decode(read_at_most(path, LARGEST_ENDING), type=Ending)
    except (OSError, ValueError):
        return None


@dataclass(frozen=True)
class SlurmJob:
    """A run as a job. submitit carries it to the node, as a pickle."""

    launch: Launch
    ending: str
    """The file for its `Ending`."""
    seconds: float
    """From the job's start until Slurm warns that its time limit is near."""

    def __call__(self) -> None:
        """Do the run; ends the process with its exit status, which is the job's."""
        began, received = time.monotonic(), list[int]()

        def note(number: int, _: FrameType | None) -> None:
            received.append(number)

        for number in STOPPING:
            signal.signal(number, note)
        before = self._progress()
        code = self._run(received)
        if received and RunDirectory(Path(self.launch.folder)).result.exists():
            code = 0  # the signal came when all was written
        if not received or code == 0:
            self._end(code, failure_line(Path(self.launch.log), code) if code else "")
        if _state_of_job() != "RUNNING":  # cancelled, or put back into the queue, by Slurm itself
            sys.exit(code)
        in_time = time.monotonic() - began < self.seconds - EARLY_SECONDS
        if not in_time and self._progress() == before:
            within = f"{self.seconds / 60:.0f} minutes"
            self._end(1, f"no epoch was finished in a job of {within}; give it more: --sbatch time=...")
        self._requeue()

    def _run(self, received: list[int]) -> int:
        """Its exit status, after a signal was received too."""
        held_until = time.monotonic() + LEASE_SECONDS
        while True:
            try:
                process = start_run(self.launch)
            except RunFailed as error:
                self._end(error.exit_code, str(error))
            while (code := process.poll()) is None and not received:
                time.sleep(CHILD_SECONDS)
            if code is None:
                return _stopped(process)
            held = code == InUse.exit_code and not received and time.monotonic() < held_until
            if not held:
                time.sleep(CHILD_SECONDS)  # a signal that ended it was sent to this process too
                return code
            time.sleep(RETRY_SECONDS)

    def _progress(self) -> int:
        """Bytes of the curve: it grows with every epoch."""
        with suppress(OSError):
            return RunDirectory(Path(self.launch.folder)).metrics.stat().st_size
        return 0

    def _end(self, code: int, cause: str) -> None:
        Ending(code, cause).write(Path(self.ending))
        sys.exit(code if code >= 0 else 128 - code)

    def _requeue(self) -> None:
        """Put the job back into the queue; Slurm then ends this process, if it has not ended."""
        done = subprocess.run(["scontrol", "requeue", _job_id()], capture_output=True, text=True, check=False)
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
            self._end(InUse.exit_code, f"Slurm did not put it back into the queue: {why[0]}")
        sys.exit(0)


def _stopped(process: subprocess.Popen[bytes]) -> int:
    """The exit status of a run that has to stop."""
    for number, seconds in ((None, OWN_SECONDS), (signal.SIGTERM, STEP_SECONDS)):
        if number is not None:
            process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            return process.wait(seconds)
    kill_descendants(process.pid)
    process.kill()
    return process.wait()


def _job_id() -> str:
    """As Slurm's commands take it: that of a task of an array is `12_3`."""
    array, index = (os.environ.get(f"SLURM_ARRAY_{name}") for name in ("JOB_ID", "TASK_ID"))
    return f"{array}_{index}" if array and index else os.environ["SLURM_JOB_ID"]


def _state_of_job() -> str:
    """`RUNNING`, `COMPLETING`, …; "" where Slurm does not say."""
    asked = subprocess.run(
        ["scontrol", "--oneliner", "show", "job", _job_id()], capture_output=True, text=True, check=False
    )
    words = asked.stdout.split()
    return next((word.removeprefix("JobState=") for word in words if word.startswith("JobState=")), "")
