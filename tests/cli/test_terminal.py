"""What verbs print for people: within the width of a terminal, and as it is anywhere else."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.small_records import bits, small_record, write

from lpa3bench.cli import main, terminal

WIDTHS = (60, 80, 120)
PATHS = "/a/folder/whose/name/is/so/long/that/no/terminal/has/a/line/for/it/at/all/nor/for/half/of/it/or/less"
VERBS = {
    "list of plugins": ("list", "augmenters"),
    "list of configs": ("list", "configs"),
    "list of one": ("list", "LPA3"),
    "show": ("show", "digits_fixmatch", "augmenters/lpa3", "--no-forecast"),
    "show of a suite": ("show", "suites/digits"),
    "data list": ("data", "list", "--data", PATHS),
    "records": ("records", "runs"),
    "records by cell": ("records", "runs", "--by", "cell"),
    "compare": ("compare", "digits-supervised-lpa3", "digits-supervised"),
    "suite": ("suite", "suites/digits", "--dry-run", "--no-forecast", "--only", "*SUPERVISED*"),
    "an error": ("compare", "runs", "runs", "--metric", "foo"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    plain = [small_record(bits(60 + s, of=100), seed=s) for s in (0, 1)]
    lpa3 = [small_record(bits(63 + s, of=100), seed=s, slots={"positives": "LPA3"}) for s in (0, 1)]
    write(folder / "runs", *plain, *lpa3, runs=True)
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_every_line_fits_and_every_word_is_there(
    folder: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)

    def lines(width: int | None) -> list[str]:
        monkeypatch.setattr(terminal, "terminal_width", lambda stream: width)
        return CliRunner().invoke(main, VERBS[verb]).output.splitlines()

    plain = lines(None)
    assert max(map(len, plain)) > WIDTHS[0], "there is something to wrap"
    for width in WIDTHS:
        shown = lines(width)
        long = [line for line in shown if len(line) > width]
        assert all(len(line.split()) <= 1 or "`" in line for line in long), (width, long)
        if not verb.startswith("records") and "data" not in verb:
            words = [word for line in plain for word in line.split() if "/" not in word]
            assert [word for line in shown for word in line.split() if "/" not in word] == words


def test_the_real_command_in_a_terminal_and_in_a_pipe() -> None:
    words = (sys.executable, "-m", "lpa3bench", "list", "tasks")
    quiet = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTHS[0], 0, 0))
    seen = ThreadPoolExecutor(1).submit(_read_all, master)
    subprocess.run(words, stdout=slave, stderr=slave, env=quiet, check=True, timeout=60)
    os.close(slave)
    shown = seen.result(5).decode().splitlines()
    piped = subprocess.run(words, capture_output=True, env=quiet, check=True, timeout=60, text=True).stdout
    assert max(map(len, shown)) <= WIDTHS[0] < max(map(len, piped.splitlines()))
    assert " ".join(shown).split() == piped.split()


def _read_all(master: int) -> bytes:
    found = b""
    with suppress(OSError):
        while part := os.read(master, 2**16):
            found += part
    return found
