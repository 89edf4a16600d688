"""State that survives a kill."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lpa3bench.errors import RunFailed
from lpa3bench.runtime.files import write_atomically
from lpa3bench.runtime.state import Checkpoints, Stateful
from lpa3bench.testing import assert_same


class Counter(Stateful):
    saved = ("count", "best", "net")

    def __init__(self) -> None:
        self.count = 0
        self.best: float | None = None
        self.net = nn.Linear(2, 2)
        self.scratch = "not saved"


def test_what_is_named_is_saved_and_nothing_else(tmp_path: Path) -> None:
    one, other = Counter(), Counter()
    one.count, one.best = 3, 0.5
    torch.save(one.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert set(state) == {"count", "best", "net"}
    weight, other.scratch = other.net.weight, "left alone"
    other.load_state_dict(state)
    assert (other.count, other.best, other.scratch) == (3, 0.5, "left alone")
    assert other.net.weight is weight  # loaded through the module, which optimisers hold on to
    assert_same(one.state_dict(), other.state_dict())


def test_a_saved_attribute_that_is_missing_is_an_error() -> None:
    state = Counter().state_dict()
    del state["best"]
    with pytest.raises(KeyError, match="best"):
        Counter().load_state_dict(state)


# ------------------------------------------------------------------------------------------ single files
def half_then(error: Exception) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text("hal")
        raise error

    return write


@pytest.mark.parametrize("error", [OSError(28, "No space left"), RuntimeError("file write failed")])
def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "result.json"
    write_atomically(path, lambda temporary: temporary.write_text("old"))
    with pytest.raises(RunFailed, match=r"result\.json: could not be written .*; free some space"):
        write_atomically(path, half_then(error))
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_a_disk_that_refuses_at_the_end_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems take every byte and complain only when they are flushed."""
    path = tmp_path / "result.json"
    path.write_text("old")

    def refuse(_: int) -> None:
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RunFailed, match="Disk quota exceeded"):
        write_atomically(path, lambda temporary: temporary.write_text("new"))
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_a_file_is_flushed_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = os.fsync

    def spy(descriptor: int) -> None:
        seen.append(sorted(p.name for p in tmp_path.iterdir()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    write_atomically(tmp_path / "a", lambda temporary: temporary.write_text("new"))
    assert seen == [[".a.tmp"], ["a"]]  # the file under its temporary name, then the folder


# ------------------------------------------------------------------------------------------- checkpoints
def saved(folder: Path, *epochs: int) -> Checkpoints:
    checkpoints = Checkpoints(folder)
    for epoch in epochs:
        checkpoints.save(epoch, {"epoch": epoch, "weights": torch.full((100,), float(epoch))})
    return checkpoints


def epoch_of(checkpoints: Checkpoints) -> Any:
    state = checkpoints.load()
    return None if state is None else state["epoch"]


def test_the_last_two_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 0, 9, 10, 100)
    assert [p.name for p in checkpoints.paths()] == ["checkpoint-00010.pt", "checkpoint-00100.pt"]
    assert epoch_of(checkpoints) == 100
    checkpoints.clear()
    assert checkpoints.paths() == []
    assert checkpoints.load() is None


@pytest.mark.parametrize("length", [0, 10, 700])
def test_a_torn_one_gives_way_to_the_one_before(tmp_path: Path, length: int) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    newest = checkpoints.paths()[-1]
    newest.write_bytes(newest.read_bytes()[:length])
    assert epoch_of(checkpoints) == 1
    saved(tmp_path, 2)
    assert epoch_of(checkpoints) == 2


def test_one_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1)
    torch.save({"epoch": 2, "code": Counter()}, tmp_path / "checkpoint-00002.pt")
    assert epoch_of(checkpoints) == 1


def test_where_all_are_torn_the_line_says_what_to_do(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    for path in checkpoints.paths():
        path.write_bytes(b"torn")
    with pytest.raises(RunFailed, match=r"checkpoint-00002\.pt: no readable checkpoint; start over with --f"):
        checkpoints.load()


def test_a_checkpoint_that_cannot_be_written_leaves_the_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = saved(tmp_path, 1, 2)

    def full(state: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RunFailed, match=r"checkpoint-00003\.pt: could not be written"):
        saved(tmp_path, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-00001.pt", "checkpoint-00002.pt"]
    assert epoch_of(checkpoints) == 2
