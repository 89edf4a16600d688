"""Only our own words reach stdout, by whatever door others write to it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from lpa3bench.runtime.reserved_stdout import reserved_stdout

NOISE = """
import os, sys
print("print", flush=True)
print("in a buffer")
sys.__stdout__.write("the stream of before\\n")
os.write(1, b"the descriptor\\n")
os.system("echo a child")
"""


def outcome(end: str) -> subprocess.CompletedProcess[str]:
    code = f"""
import sys
from lpa3bench.runtime.reserved_stdout import reserved_stdout
print("before")
with reserved_stdout() as own:
    print("ours", file=own)
    exec({NOISE!r})
    print("ours too", file=own)
    {end}
print("after")
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("end", "code", "after"), [("pass", 0, ["after"]), ("sys.exit(6)", 6, []), ("1 / 0", 1, [])]
)
def test_what_others_print_goes_to_stderr(end: str, code: int, after: list[str]) -> None:
    done = outcome(end)
    assert done.returncode == code
    assert done.stdout.splitlines() == ["before", "ours", "ours too", *after]
    said = {"print", "in a buffer", "the stream of before", "the descriptor", "a child"}
    assert said <= {*done.stderr.splitlines()}


def test_a_stream_that_is_no_descriptor_is_kept_from_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """As tests replace it."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    with reserved_stdout() as own:
        sys.stdout.write("theirs\n")
        print("ours", file=own)
    sys.stdout.write("after\n")
    assert (out.getvalue(), err.getvalue()) == ("ours\nafter\n", "theirs\n")


def test_a_disk_that_is_full_is_told_of_once() -> None:
    code = (
        "from lpa3bench.runtime.reserved_stdout import reserved_stdout\n"
        "with reserved_stdout() as own:\n    print('ours', file=own)\n"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.count("No space left on device") == 1
