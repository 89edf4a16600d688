"""What the benchmarks of start and boards read off a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from processes import process_cost


def test_seconds_and_memory_are_those_of_the_process() -> None:
    held = [sys.executable, "-c", "held = bytearray(b'1') * (64 << 20)"]
    # What the process that starts it holds counts too, so a small one does.
    line = f"from processes import process_cost; print(*process_cost({held!r}))"
    folder = Path(__file__).parents[2] / "benchmarks"
    done = subprocess.run(
        [sys.executable, "-c", line], cwd=folder, capture_output=True, text=True, check=True
    )
    cpu, wall, mebibytes = map(float, done.stdout.split())
    assert cpu > 0
    assert wall > 0
    assert 64 < mebibytes < 512


def test_one_that_fails_says_why() -> None:
    with pytest.raises(SystemExit, match="exit code 3\nno such thing"):
        process_cost([sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); exit(3)"])
