"""Files that are whole or absent, whatever the file system says."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from lpa3bench.errors import RunFailed
from lpa3bench.runtime.files import write_atomically, write_text


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


def test_no_control_sign_gets_into_a_text_file(tmp_path: Path) -> None:
    named = "PES\x1b[2J \x9b \u202eSEP \ud800\n\tnext"
    write_text(tmp_path / "board.md", named)
    assert (tmp_path / "board.md").read_text(encoding="utf-8") == "PES?[2J ? ?SEP ?\n\tnext"
    write_text(tmp_path / "board.json", json.dumps({"name": named}, ensure_ascii=False))
    text = (tmp_path / "board.json").read_text(encoding="utf-8")
    assert text.isprintable()
    assert json.loads(text) == {"name": named}
