"""What the benchmarks of start and boards read off a process."""

from __future__ import annotations

import sys

import pytest
from processes import process_cost


def test_seconds_and_memory_are_those_of_the_process() -> None:
    cost = process_cost([sys.executable, "-c", "held = bytearray(b'1') * (64 << 20)"])
    assert cost.cpu > 0
    assert cost.wall > 0
    assert 64 < cost.mebibytes < 1024


def test_one_that_fails_says_why() -> None:
    with pytest.raises(SystemExit, match="exit code 3\nno such thing"):
        process_cost([sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); exit(3)"])
