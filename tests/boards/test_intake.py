"""A board is written as one act: its records, its `board.toml` and its pages, or nothing of them."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.small_boards import LPA3
from support.small_records import bits, small_record, write

from lpa3bench.cli import main
from lpa3bench.report.board_files import BOARD_FILES

NONE = [small_record(bits(5 + seed), seed=seed, identity="0000000a") for seed in range(3)]
LPA3_RUNS = [small_record(bits(8), seed=seed, slots=LPA3, identity="0000000b") for seed in range(3)]


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["leaderboard", *map(str, words)])


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", ["build", "fresh", "merge"])
def test_a_full_disk_leaves_a_board_as_it_was_whenever_it_gets_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """At the k-th file that is written, or the k-th that gets its name, for every k."""
    monkeypatch.setitem(BOARD_FILES, "index.html", lambda board: f"{board.measured}")  # templates take long
    board = tmp_path / "new"
    call("build", board, "--from", write(tmp_path / "early", *NONE, runs=True))
    late = write(tmp_path / "late", *LPA3_RUNS[:1], runs=True)
    words = {
        "build": ("build", board, "--from", late),
        "fresh": ("build", board, "--fresh", "--from", late),
        "merge": ("merge", board, late),
    }[verb]
    before = everything(board)
    for name, function in (("write_text", Path.write_text), ("replace", Path.replace)):
        failed = 0
        while True:
            with full_disk(monkeypatch, name, function, after=failed):
                done = call(*words)
            if done.exit_code == 0:
                break
            assert (done.exit_code, done.stderr.count("free some space")) == (1, 1), done.stderr
            assert everything(board) == before, f"{name} {failed}"
            failed += 1
        assert failed == 7, "the record, board.toml and five pages"
        assert everything(board).keys() - before.keys() == {f"results/{LPA3_RUNS[0].file_name}"}
        shutil.rmtree(board)
        call("build", board, "--from", tmp_path / "early")
        assert everything(board) == before


@contextmanager
def full_disk(
    monkeypatch: pytest.MonkeyPatch, name: str, function: Callable[..., Any], *, after: int
) -> Iterator[None]:
    """The disk is full once so many calls of that method of `Path` have been made."""
    calls = count()

    def refusing(path: Path, *words: Any, **options: Any) -> Any:
        if next(calls) == after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return function(path, *words, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, name, refusing)
        yield
