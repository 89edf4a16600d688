"""`lpa3bench leaderboard site`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.small_boards import LPA3, board_folder
from support.small_records import bits, small_record

from lpa3bench.cli import main

RUNS = [
    *(small_record(bits(5 + seed), seed=seed, identity="0000000a") for seed in range(3)),
    *(small_record(bits(8), seed=seed, slots=LPA3, identity="0000000b") for seed in range(3)),
]


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["leaderboard", "site", *map(str, words)])


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    board_folder(tmp_path / "boards" / "mine", *RUNS)
    board_folder(tmp_path / "boards" / "other", *RUNS[:2])
    return tmp_path / "boards"


def test_a_folder_of_boards_becomes_a_site(tmp_path: Path, boards: Path) -> None:
    before = everything(boards)
    done = call(tmp_path / "site", boards, "--docs", "..", "--commit", "abc", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["index"] == str(tmp_path / "site" / "index.html")
    assert [(board["key"], board["records"]) for board in told["boards"]] == [("mine", 6), ("other", 2)]
    assert everything(boards) == before
    made = everything(tmp_path / "site")
    page = made["mine/index.html"].decode()
    assert 'href="../../reference/augmenters.html#lpa3"' in page
    assert 'href="https://arxiv.org/abs/2211.00824"' in page
    for record in RUNS:
        assert f'href="results/{record.file_name}"' in page
        assert f"mine/results/{record.file_name}" in made
    again = call(tmp_path / "site", boards, "--docs", "..", "--commit", "abc")
    assert again.stdout.splitlines() == [str(tmp_path / "site" / "index.html")]
    assert everything(tmp_path / "site") == made


def test_boards_without_documentation_link_to_papers_alone(tmp_path: Path, boards: Path) -> None:
    assert call(tmp_path / "site", boards / "mine").exit_code == 0
    page = (tmp_path / "site" / "mine" / "index.html").read_text()
    assert "reference/" not in page
    assert 'href="https://arxiv.org/abs/2211.00824"' in page


@pytest.mark.parametrize(
    ("epoch", "words", "day"),
    [("1700000000", (), "2023-11-14"), ("1700000000", ("--date", "2024-02-03"), "2024-02-03")],
)
def test_the_day_is_the_one_that_is_told(
    tmp_path: Path,
    boards: Path,
    monkeypatch: pytest.MonkeyPatch,
    epoch: str,
    words: tuple[str, ...],
    day: str,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert call(tmp_path / "site", boards / "mine", *words).exit_code == 0
    assert f"made {day}" in (tmp_path / "site" / "index.html").read_text()


def test_a_day_that_is_none_is_refused(tmp_path: Path, boards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    done = call(tmp_path / "site", boards)
    assert (done.exit_code, (tmp_path / "site").exists()) == (2, False)
    assert "SOURCE_DATE_EPOCH=yesterday" in done.stderr


def test_a_damaged_record_is_named_and_left_out(tmp_path: Path, boards: Path) -> None:
    path = boards / "mine" / "results" / RUNS[0].file_name
    path.write_bytes(path.read_bytes()[:-20])
    done = call(tmp_path / "site", boards / "mine", "--json")
    assert done.exit_code == 4
    assert str(path) in done.stderr
    assert json.loads(done.stdout)["boards"][0]["records"] == 5


def test_places_that_would_be_lost_are_refused(tmp_path: Path, boards: Path) -> None:
    before = everything(boards)
    own = call(boards, boards)
    assert (own.exit_code, everything(boards)) == (2, before)
    assert "holds the board mine itself" in own.stderr
    board_folder(tmp_path / "more" / "mine", *RUNS)
    twice = call(tmp_path / "site", boards / "mine", tmp_path / "more")
    assert twice.exit_code == 2
    assert "rename one" in twice.stderr
    empty = call(tmp_path / "site", tmp_path / "site-of-nothing")
    assert empty.exit_code == 4
    (tmp_path / "bare").mkdir()
    assert "nor holds a folder that has one" in call(tmp_path / "site", tmp_path / "bare").stderr


def test_records_of_another_board_are_found_beside_it(tmp_path: Path, boards: Path) -> None:
    toml = (boards / "mine" / "board.toml").read_text()
    (boards / "shown").mkdir()
    (boards / "shown" / "board.toml").write_text(
        toml.replace("protocol = 1", 'protocol = 1\nrecords_of = "mine"')
    )
    assert call(tmp_path / "site", boards / "shown").exit_code == 0
    page = (tmp_path / "site" / "shown" / "index.html").read_text()
    assert f'href="../mine/results/{RUNS[0].file_name}"' in page
    assert (tmp_path / "site" / "mine" / "results" / RUNS[0].file_name).is_file()
