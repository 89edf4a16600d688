"""Files that are whole or absent, whatever the file system says."""

from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import sleep

import pytest

from lpa3bench.errors import RunFailed
from lpa3bench.runtime.files import (
    Writer,
    ask_again,
    make_folders,
    text_writer,
    write_all,
    write_atomically,
    write_text,
)


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old\n")

    def torn(temporary: Path) -> None:
        temporary.write_text("ne")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunFailed, match=r"a\.txt: could not be written \(No space left.*free some space"):
        write_atomically(path, torn)
    assert path.read_text() == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_two_that_write_one_file_take_turns(tmp_path: Path) -> None:
    path, began = tmp_path / "a", Event()

    def slowly(temporary: Path) -> None:
        began.set()
        sleep(0.05)
        temporary.write_text("first")

    with ThreadPoolExecutor(1) as other:
        first = other.submit(write_atomically, path, slowly)
        began.wait()
        write_text(path, "second")
        first.result()
    assert contents(tmp_path) == {"a": "second"}


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("full_at", range(4))
def test_several_files_are_all_new_or_all_as_they_were(tmp_path: Path, full_at: int) -> None:
    (tmp_path / "b").write_text("old b")
    before = contents(tmp_path)

    def writer(place: int, text: str) -> Writer:
        def write(temporary: Path) -> None:
            temporary.write_text(text[:3])
            if place == full_at:
                raise OSError(errno.ENOSPC, "No space left on device")
            temporary.write_text(text)

        return write

    files = {tmp_path / name: writer(place, f"new {name}") for place, name in enumerate("abc")}
    if full_at == len(files):
        write_all(files)
        assert contents(tmp_path) == {name: f"new {name}" for name in "abc"}
        return
    with pytest.raises(RunFailed, match=f"{'abc'[full_at]}: could not be written .No space left"):
        write_all(files)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("blocked", "abc")
def test_a_name_that_cannot_be_taken_gives_back_those_that_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocked: str, links: bool
) -> None:
    """A folder lies there; and where the file system knows no links, nothing that was there is lost."""
    for name in "abc":
        (tmp_path / name).mkdir() if name == blocked else (tmp_path / name).write_text(f"old {name}")
    (tmp_path / "c").unlink() if blocked != "c" else None
    before = contents(tmp_path)
    if not links:
        monkeypatch.setattr("os.link", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EPERM, "")))
    with pytest.raises(RunFailed, match=f"/{blocked}: could not be written .*of another kind lies there"):
        write_all({tmp_path / name: text_writer(f"new {name}") for name in "cab"})
    after = contents(tmp_path)
    assert after.keys() == before.keys()
    assert (after == before) or not links


def test_folders_that_cannot_be_made_are_told_with_their_cure(tmp_path: Path) -> None:
    make_folders([tmp_path / "a" / "b", tmp_path / "a" / "b"])
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunFailed, match="cannot be made .*of another kind lies there"):
            make_folders([folder])


def test_a_read_only_file_system_refuses_the_cleaning_up_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(RunFailed, match="Read-only file system.*can be written to"):
        write_atomically(tmp_path / "a", refused)


@pytest.mark.parametrize(
    ("name", "cure"),
    [("folder", "of another kind lies there"), ("x" * 300, "shorter path"), ("no/a", "is gone")],
)
def test_what_cannot_be_a_file_is_told_with_its_cure(tmp_path: Path, name: str, cure: str) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(RunFailed, match=cure):
        write_text(tmp_path / name, "text")
    assert (tmp_path / "folder" / "inside").is_dir()


def test_a_pipe_or_device_is_left_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(RunFailed, match=r"pipe: is a pipe and not a file, so it is left alone"):
        write_text(pipe, "text")
    assert pipe.is_fifo()
    with pytest.raises(RunFailed, match=r"^/dev/null: is a device and not a file"):
        write_text(Path("/dev/null"), "text")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_no_control_sign_gets_into_a_text_file(tmp_path: Path) -> None:
    named = "PES\x1b[2J \x9b \u202eSEP \ud800\n\tnext"
    write_text(tmp_path / "board.md", named)
    assert (tmp_path / "board.md").read_text(encoding="utf-8") == "PES?[2J ? ?SEP ?\n\tnext"
    write_text(tmp_path / "board.json", json.dumps({"name": named}, ensure_ascii=False))
    text = (tmp_path / "board.json").read_text(encoding="utf-8")
    assert text.isprintable()
    assert json.loads(text) == {"name": named}


def test_a_folder_is_looked_at_again_by_a_change_that_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o750)
    changed: list[int] = []
    monkeypatch.setattr(Path, "chmod", lambda path, mode: changed.append(mode))
    ask_again(tmp_path)
    assert changed == [0o750]
    monkeypatch.undo()
    ask_again(tmp_path / "absent")
