"""What a command takes as a process of its own.

Imports no torch: what this process holds counts as held by those that it starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class ProcessCost(NamedTuple):
    """From its start to its end."""

    cpu: float
    wall: float
    mebibytes: float
    """Of memory, at most."""


def process_cost(command: Sequence[str], environment: Mapping[str, str] | None = None) -> ProcessCost:
    """Run a command to its end; what it prints is thrown away.

    Raises:
        SystemExit: it failed; what it said comes with it.
    """
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}\n{said.read().decode()}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return ProcessCost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / unit)
