"""Runs through Ray, which owns machines, GPUs, the queue and retries: the only file that imports it.

A task of Ray's starts `lpa3bench run` as a process of its own and hands back how it ended. If Ray's worker
dies, the run dies with it, and Ray does the task again: it goes on from the run's checkpoint. What Ray writes
and prints is of no interest to who started a suite: its folder is deleted, and advice to look there is cut.
"""

from __future__ import annotations

import math
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpa3bench.errors import FailureKind, RunFailed, TryAgain, UsageError
from lpa3bench.runtime.counting import counted
from lpa3bench.runtime.device import gpus, usable_cores
from lpa3bench.runtime.supervised import kill_descendants
from lpa3bench.suites.engine import EndedRun, Engine, Launch, failure_line, start_run
from lpa3bench.suites.ray_folder import ray_folder

RAY_RETRIES = 3
"""How often Ray does a run again whose worker or machine died."""
OBJECT_STORE = 100 * 2**20
"""Bytes of shared memory of a Ray that is started here; runs hand back a line each."""
CONNECT_SECONDS = 5.0
PROCESS_POLL_SECONDS = 0.2
STOP_SECONDS = 30.0
"""For a run that was told to stop."""
CANCEL_SECONDS = 10.0
"""More than that for Ray to tell it, and us: a Ray that lost its own processes never does."""
ADVICE = re.compile(r"(?<=\S) (?:Check|See|Please) ")
"""What follows is where to look in files of Ray's."""
RAY_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass(frozen=True)
class RunResources:
    """What a run asks of a machine."""

    cpus: int
    gpus: int

    def __str__(self) -> str:
        return f"{counted(self.cpus, 'CPU')}" + (f" and {self.gpus} GPU" if self.gpus else "")


def connect_ray(address: str | None, *, workers: int | None, threads: int, device: str) -> RayEngine:
    """Start Ray on this machine, or join the cluster at the address.

    Args:
        workers: runs at once, at most; None: as many as there is room for.
        threads: CPUs that each run gets.
        device: as `--device`; "auto" takes a GPU for each run where there are any.

    Raises:
        UsageError: Ray is not installed, is not at the address, or has no machine with room for a run.
    """
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UsageError("--engine ray: Ray is not installed; pip install 'lpa3bench[ray]'") from error
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    started = ExitStack()
    try:
        if address is not None:
            _check_reachable(address)
        else:
            options |= {
                "num_cpus": min(workers * threads, usable_cores()) if workers else None,
                "num_gpus": len(gpus(device)),
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE,
                "_node_ip_address": "127.0.0.1",
                "_temp_dir": str(started.enter_context(ray_folder())),
            }
        started.callback(ray.shutdown)
        try:
            ray.init(address=address or "local", **options)  # with None Ray would join one that is here
        except Exception as error:  # what Ray raises is of many types
            where = f"at {address}" if address else "here"
            raise UsageError(f"--engine ray: cannot be used {where}: {first_sentence(error)}") from error
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        some_gpu = any(machine.get("GPU", 0) >= 1 for machine in machines)
        needs = RunResources(threads, int(device not in ("auto", "cpu") or (device == "auto" and some_gpu)))
        capacity = capacity_of(machines, needs)
        if not capacity:
            raise UsageError(f"--engine ray: no machine has {needs} for a run; it would wait for ever")
        return RayEngine(needs, capacity=capacity, workers=workers, stop=started.pop_all())
    finally:
        started.close()


def _check_reachable(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself tries for minutes to reach a cluster.

    Raises:
        UsageError: nobody answers.
    """
    if address == "auto":  # Ray looks on this machine, and says at once that there is none
        return
    host, _, port = address.rpartition(":")
    try:
        if not host or not port.isdigit():
            raise OSError(None, "an address is `auto` or HOST:PORT")
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"--engine ray: cannot be used at {address}: {why}") from error


def capacity_of(machines: list[dict[str, float]], needs: RunResources) -> int:
    """How many runs the machines take at once."""
    return sum(
        min(
            int(machine.get("CPU", 0) // needs.cpus),
            int(machine.get("GPU", 0) // needs.gpus) if needs.gpus else 10**6,
        )
        for machine in machines
    )


def first_sentence(error: Exception) -> str:
    """What an error of Ray's says, without its advice to look into files of Ray's: they are gone by then."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = ADVICE.split(lines[0])[0].rstrip(". ") if lines else ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


class RayEngine(Engine):
    """Tasks of a Ray that is started or joined already; `connect_ray` makes one.

    Args:
        stop: what ends a Ray that was started here, or leaves the cluster.
    """

    def __init__(self, needs: RunResources, *, capacity: int, workers: int | None, stop: ExitStack) -> None:
        import ray

        self._stop = stop
        self._workers = workers
        self._capacity = capacity
        self._names: dict[Any, str] = {}
        self._given_up_at = math.inf
        self._task = ray.remote(run_in_task).options(
            num_cpus=needs.cpus, num_gpus=needs.gpus, max_retries=RAY_RETRIES, retry_exceptions=False
        )

    @property
    def capacity(self) -> int:
        return min(self._capacity, self._workers or self._capacity)

    def has_room(self) -> bool:
        """Ray queues what it cannot place yet."""
        return self._workers is None or len(self._names) < self._workers

    def submit(self, name: str, launch: Launch) -> None:
        self._names[self._task.remote(launch)] = name

    def poll(self) -> list[EndedRun]:
        import ray

        if not self._names:
            return []
        refs = [*self._names]
        ready, late = ray.wait(refs, num_returns=len(refs), timeout=0)
        ended = [self._ended(ref) for ref in ready]
        if time.monotonic() >= self._given_up_at:
            ended += [EndedRun(self._names.pop(ref), -signal.SIGKILL, "it did not stop") for ref in late]
        return ended

    def _ended(self, ref: Any) -> EndedRun:
        import ray

        name = self._names.pop(ref)
        try:
            code, cause, kind = ray.get(ref)
        except ray.exceptions.RayError as error:
            why = f"Ray gave up: {first_sentence(error)}; the same command goes on"
            return EndedRun(name, TryAgain.exit_code, why, TryAgain.kind)
        return EndedRun(name, code, cause, kind)

    def stop(self, number: int) -> None:
        """Cancel all: those under way get the chance to stop by themselves."""
        import ray

        self._given_up_at = time.monotonic() + STOP_SECONDS + CANCEL_SECONDS
        for ref in self._names:
            with suppress(ray.exceptions.RayError):
                ray.cancel(ref, force=False)

    def close(self) -> None:
        """A Ray that was started here ends too."""
        import ray

        for ref in self._names:
            with suppress(ray.exceptions.RayError):
                ray.cancel(ref, force=True)
        self._stop.close()


def run_in_task(launch: Launch) -> tuple[int, str, FailureKind | None]:
    """What a worker of Ray's does, on any machine. Returns `code`, `cause` and `kind` of an `EndedRun`."""
    # Ray cancels by an interrupt, which a shell may have told the processes that it starts to ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = start_run(launch)
    except RunFailed as error:
        return error.exit_code, str(error), error.kind
    try:
        while (code := process.poll()) is None:
            time.sleep(
                PROCESS_POLL_SECONDS
            )  # a call that waits for the process itself could not be cancelled
    except KeyboardInterrupt:  # cancelled
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            kill_descendants(process.pid)
            process.kill()
        raise
    return code, failure_line(Path(launch.log), code) if code else "", None
