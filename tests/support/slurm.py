"""A real Slurm of one node, with its own munge, in a temporary folder; for tests."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
START_SECONDS = 30.0
CPUS = 4
"""That the node says it has."""
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=5
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,default_queue_depth=100
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP PriorityTier=1 GraceTime=10
PartitionName=urgent Nodes=ALL State=UP PriorityTier=10 PreemptMode=OFF
"""


class NoSlurm(Exception):
    """Why there is none."""


@contextmanager
def one_node_slurm() -> Iterator[dict[str, str]]:
    """What to add to the environment of Slurm's commands, for the block.

    Raises:
        NoSlurm: it is not installed, or does not start here.
    """
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if missing:
        raise NoSlurm(f"{', '.join(missing)} is not installed (Debian: slurm-wlm and munge)")
    environment = {"PATH": PATH}
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        environment["SLURM_CONF"] = str(folder / "slurm.conf")
        controller_port, node_port = _free_ports(2)
        for made in ("state", "spool"):
            (folder / made).mkdir()
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o600)
        (folder / "slurm.conf").write_text(
            CONF.format(
                host=socket.gethostname().partition(".")[0],
                user=getpass.getuser(),
                folder=folder,
                controller_port=controller_port,
                node_port=node_port,
                cpus=CPUS,
            )
        )
        munge = [f"--{what}-file={folder / f'munge.{what}'}" for what in ("key", "log", "pid", "seed")]
        daemons: list[subprocess.Popen[bytes]] = []
        try:
            for command in (
                ["munged", "--foreground", "--force", f"--socket={folder / 'munge.socket'}", *munge],
                ["slurmctld", "-D", "-i"],
                ["slurmd", "-D"],
            ):
                daemons.append(_started(command, folder, environment))
            _until_idle(daemons, environment, folder)
            yield environment
        finally:
            with suppress(OSError, subprocess.SubprocessError):  # its steps end before their node does
                said = {"env": {**os.environ, **environment}, "timeout": 10, "capture_output": True}
                subprocess.run(["scancel", "--me", "--signal=KILL"], **said)  # type: ignore[call-overload]
            for daemon in reversed(daemons):
                daemon.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    daemon.wait(10)
                daemon.kill()
                daemon.wait()


def _started(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / f"{command[0]}.out").open("wb") as out:
        return subprocess.Popen(
            [shutil.which(command[0], path=PATH) or command[0], *command[1:]],
            env={**os.environ, **environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _until_idle(daemons: list[subprocess.Popen[bytes]], environment: dict[str, str], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        asked = subprocess.run(
            ["sinfo", "--noheader", "--format=%T", "--partition=main"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )
        if asked.stdout.strip() == "idle":
            return
        ended = [daemon.args for daemon in daemons if daemon.poll() is not None]
        if ended or time.monotonic() > deadline:
            logs = "\n".join(path.read_text(errors="replace")[-600:] for path in sorted(folder.glob("*.out")))
            raise NoSlurm(f"it does not start here (ended: {ended}; {asked.stderr.strip()})\n{logs}")
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
