"""Where a Ray that is started here writes: short, our own, and gone afterwards."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lpa3bench.errors import UsageError
from lpa3bench.suites import ray_folder as ray_folders
from lpa3bench.suites.ray_folder import LONGEST_SOCKET, SOCKET_BYTES, ray_folder

LONG = "a_long_scratch_folder_name_of_a_cluster"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder with a short path, the last resort, where nothing is of others."""
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        monkeypatch.setattr(ray_folders, "SHORT_FOLDER", Path(made))
        monkeypatch.setattr(tempfile, "tempdir", made)
        yield Path(made)
        assert [*Path(made).iterdir()] == [], "all is gone"


@pytest.mark.parametrize("by", ["TMPDIR", "RAY_TMPDIR"])
def test_a_path_that_is_too_long_for_sockets_is_passed_over(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    scratch = tmp_path / LONG / LONG
    scratch.mkdir(parents=True)
    if by == "TMPDIR":
        monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    else:
        monkeypatch.setenv(by, str(scratch))
    with ray_folder() as folder:
        assert folder.parent == short
        ends = LONGEST_SOCKET.partition("/")[2]
        assert len(f"{folder}/{ends}") <= SOCKET_BYTES
        assert len(folder.name) == len(ray_folders.PREFIX) + len(LONGEST_SOCKET.partition("/")[0])
        (folder / "session_latest").symlink_to(folder)
    assert [*scratch.iterdir()] == []


def test_the_users_choice_comes_first(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (short / "mine").mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(short / "mine"))
    with ray_folder() as folder:
        assert folder.parent == short / "mine"
    (short / "mine").rmdir()
    with ray_folder() as folder:
        assert folder.parent == short, "it is not there any more"


def test_no_folder_at_all_is_one_line(short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_folders, "SHORT_FOLDER", short / "nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / LONG / LONG))
    with (
        pytest.raises(UsageError, match=r"a folder with a short path.* RAY_TMPDIR to one$"),
        ray_folder(),
    ):
        pass


def test_what_a_killed_process_left_is_deleted_and_what_is_in_use_is_not(short: Path) -> None:
    code = (
        "import sys, tempfile; from lpa3bench.suites.ray_folder import ray_folder\n"
        f"tempfile.tempdir = {str(short)!r}\n"
        "with ray_folder() as folder:\n    print(folder, flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    theirs = Path(other.stdout.readline().strip())
    (short / f"{ray_folders.PREFIX}foreign").mkdir()  # nobody knows whose
    with ray_folder():
        assert theirs.is_dir()
    other.kill()
    other.communicate()
    assert theirs.is_dir()
    with ray_folder() as own:
        assert {path.name for path in short.iterdir()} == {own.name, f"{ray_folders.PREFIX}foreign"}
    (short / f"{ray_folders.PREFIX}foreign").rmdir()
