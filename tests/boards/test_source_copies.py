"""The source of plugins that were given as files, beside a board's records."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from support.small_boards import LPA3, board_folder
from support.small_records import bits, elsewhere, small_record, write

from lpa3bench.cli import main
from lpa3bench.plugin.copies import find_copy
from lpa3bench.records import Record

NONE = small_record(bits(5), identity="a")


def made_by_files(**files: str) -> Record:
    """A run with LP-A3 whose plugins have these copies."""
    return elsewhere(small_record(bits(6), identity="b", slots=LPA3), plugin_files=files)


def with_copy(runs: Path, record: Record, name: str = "00aa-wavy") -> Path:
    folder = runs / str(record) / "plugins" / name
    (folder / "parts").mkdir(parents=True)
    (folder / "wavy.py").write_text("from parts import a\n")
    (folder / "parts" / "a.py").write_text("A = 1\n")
    return folder


def build(board: Path, *words: str | Path) -> None:
    done = CliRunner().invoke(main, ["leaderboard", "build", str(board), *map(str, words)])
    assert done.exit_code == 0, done.stderr


def files(board: Path) -> list[str]:
    home = board / "results" / "plugins"
    return sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())


def test_copies_come_with_their_records_and_go_with_them(tmp_path: Path) -> None:
    ours = made_by_files(LPA3="plugins/00aa-wavy/wavy.py", Gone="plugins/00bb-gone/gone.py")
    runs = write(tmp_path / "runs", NONE, ours, runs=True)
    with_copy(runs, ours)
    with_copy(runs, ours, "00cc-unnamed")
    board = board_folder(tmp_path / "board")
    build(board, "--from", runs)
    assert files(board) == ["00aa-wavy/parts/a.py", "00aa-wavy/wavy.py"]
    assert find_copy("00aa", [board / "results"]) == board / "results/plugins/00aa-wavy/wavy.py"
    build(board_folder(tmp_path / "other"), "--from", board)
    assert files(tmp_path / "other") == files(board), "from board to board"
    build(board, "--fresh", "--from", board)
    assert files(board) == files(tmp_path / "other"), "from itself"
    build(board, "--fresh", "--from", runs / str(NONE))
    assert files(board) == []


def test_a_board_from_before_gets_its_copies(tmp_path: Path) -> None:
    ours = made_by_files(LPA3="plugins/00aa-wavy/wavy.py")
    board = board_folder(tmp_path / "board", ours)
    runs = write(tmp_path / "runs", ours, runs=True)
    with_copy(runs, ours)
    build(board, "--from", runs)
    assert files(board) == ["00aa-wavy/parts/a.py", "00aa-wavy/wavy.py"]


@pytest.mark.parametrize(
    "place", ["plugins/../wavy.py", "/etc/wavy/wavy.py", "../x/wavy.py", "plugins/wavy.py"]
)
def test_what_lies_elsewhere_is_no_copy(tmp_path: Path, place: str) -> None:
    ours = made_by_files(LPA3=place)
    runs = write(tmp_path / "runs", ours, runs=True)
    with_copy(runs, ours)
    (runs / str(ours) / "wavy.py").write_text("SECRET = 1\n")
    board = board_folder(tmp_path / "board")
    build(board, "--from", runs)
    assert files(board) == []


def test_no_link_is_followed(tmp_path: Path) -> None:
    ours = made_by_files(LPA3="plugins/00aa-wavy/wavy.py")
    runs = write(tmp_path / "runs", ours, runs=True)
    (tmp_path / "secret.py").write_text("SECRET = 1\n")
    (with_copy(runs, ours) / "link.py").symlink_to(tmp_path / "secret.py")
    build(board := board_folder(tmp_path / "board"), "--from", runs)
    assert files(board) == ["00aa-wavy/parts/a.py", "00aa-wavy/wavy.py"]
