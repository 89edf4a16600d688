"""The real console command, for tests that need a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HIDDEN = ("LPA3BENCH_", "XDG_", "CI", "NO_COLOR", "TERM", "COLUMNS", "PYTHONWARNINGS")
"""Variables that change what the command prints or reads open with one of these."""


class Cli:
    """`cli("run", "quickstart", …)`; returns the process's `returncode`, `stdout` and `stderr`.

    Args:
        outside: an empty folder outside the repository, where the command starts unless told otherwise.
    """

    def __init__(self, outside: Path) -> None:
        self.outside = outside

    def __call__(
        self,
        *arguments: str | Path,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
        return subprocess.run(
            [sys.executable, "-m", "lpa3bench", *map(str, arguments)],
            cwd=cwd or self.outside,
            env=inherited | (env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
