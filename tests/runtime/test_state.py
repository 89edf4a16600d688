"""State that survives a kill."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lpa3bench.errors import DamagedWarning, DataError, RunFailed
from lpa3bench.runtime.files import write_atomically
from lpa3bench.runtime.state import Checkpoints, Stateful, load_state, save_state
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


def test_what_is_read_is_what_was_saved(tmp_path: Path) -> None:
    state = {"a": torch.randn(3, 4), "b": {"c": [1, 2.5, None, "x"]}}
    save_state(tmp_path / "a.pt", state)
    assert_same(load_state(tmp_path / "a.pt"), state)
    assert_same(torch.load(tmp_path / "a.pt", weights_only=True), state)  # anybody's reader takes it
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def spoilt(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    match damage.split():
        case ["cut", length]:
            del content[int(length) :]
        case ["flip", place]:
            content[int(place)] ^= 16
        case ["grown"]:
            content += b"\0"
        case ["empty"]:
            content.clear()
        case ["code"]:
            torch.save({"epoch": 2, "code": Counter()}, path)
            return
        case ["list"]:
            torch.save([2], path)
            return
        case ["folder"]:
            path.unlink()
            path.mkdir()
            return
    path.write_bytes(content)


DAMAGES = [
    "empty", "cut 10", "cut 700", "cut -1", "cut -40", "cut -81", "cut -83", "grown", "code", "list",
    "folder", "flip 3", "flip 900", "flip 1000", "flip -3", "flip -80", "flip -83", "flip -90",
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_gives_way_to_the_one_before_and_this_is_told(tmp_path: Path, damage: str) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    spoilt(checkpoints.paths()[-1], damage)
    with pytest.warns(DamagedWarning, match=r"-00002\.pt: .*; checkpoint-00001\.pt is used instead$"):
        assert epoch_of(checkpoints) == 1
    with pytest.warns(DamagedWarning):
        newest = checkpoints.newest()
    assert newest is not None
    assert newest[0].name == "checkpoint-00001.pt"


def test_every_bit_of_a_file_counts(tmp_path: Path) -> None:
    """In weights, in names, in what pads them, in the digest itself: torch alone notices few of them."""
    checkpoints = saved(tmp_path, 1)
    (path,) = checkpoints.paths()
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        spoilt(path, f"flip {place}")
        with pytest.raises(DataError, match=r"-00001\.pt: damaged"):
            load_state(path)
        path.write_bytes(content)
    assert epoch_of(checkpoints) == 1


def test_one_without_a_digest_goes_by_the_check_sums_of_its_members(tmp_path: Path) -> None:
    """As earlier versions wrote them."""
    path = tmp_path / "checkpoint-00001.pt"
    torch.save({"epoch": 1, "weights": torch.full((100,), 1.0)}, path)
    assert epoch_of(Checkpoints(tmp_path)) == 1
    content = path.read_bytes()
    place = content.index(torch.full((100,), 1.0).numpy().tobytes()) + 8
    spoilt(path, f"flip {place}")
    assert torch.load(path, weights_only=True)["weights"].unique().numel() == 2, "torch looks at none"
    with pytest.raises(RunFailed, match=r"no readable checkpoint: damaged \(a check sum is wrong\)"):
        Checkpoints(tmp_path).load()


def test_one_of_another_form_is_no_better(tmp_path: Path) -> None:
    def check(path: Path, state: Mapping[str, Any]) -> None:
        if state["epoch"] == 2:
            raise DataError("damaged (it is of another form)", path=path)

    saved(tmp_path, 1, 2)
    with pytest.warns(DamagedWarning, match="of another form"):
        assert epoch_of(Checkpoints(tmp_path, check=check)) == 1


def test_where_all_are_damaged_the_line_says_what_to_do(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 1, 2)
    for path in checkpoints.paths():
        spoilt(path, "cut 300")
    said = r"checkpoint-00002\.pt: no readable checkpoint: damaged \(.*\); start over with --fresh$"
    with pytest.raises(RunFailed, match=said) as caught:
        checkpoints.load()
    assert caught.value.kind == "damaged"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pt")
    with pytest.raises(DataError, match="damaged .it is no file"):
        load_state(tmp_path / "a.pt")


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
