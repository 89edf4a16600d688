"""Drafts of boards follow the records that there are; what a board has no cell for is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.small_boards import LPA3, TOML, board_folder, defined
from support.small_records import bits, small_record, write

from lpa3bench.boards.left_out import left_out
from lpa3bench.cli import main
from lpa3bench.report.board_files import BOARD_FILES

NONE = [small_record(bits(5 + seed), seed=seed, identity="0000000a") for seed in range(3)]
LPA3_RUNS = [small_record(bits(8), seed=seed, slots=LPA3, identity="0000000b") for seed in range(3)]


@pytest.fixture(autouse=True)
def no_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take most of the time."""
    monkeypatch.setitem(BOARD_FILES, "index.html", lambda board: f"{board.measured}")


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["leaderboard", *map(str, words)])


def pages(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def keys(board: Path) -> list[str]:
    return [row["key"] for row in json.loads((board / "board.json").read_text())["rows"]]


@pytest.mark.parametrize("verb", [("build", "--from"), ("merge",)])
def test_a_draft_is_drafted_anew_while_nobody_edited_it(tmp_path: Path, verb: tuple[str, ...]) -> None:
    """A suite still runs: what it makes later is on the board too, beside what the board has alone."""
    board = tmp_path / "new"
    early = write(tmp_path / "early", *NONE, runs=True)
    assert call("build", board, "--from", early).exit_code == 0
    first = (board / "board.toml").read_text()
    assert call("build", board, "--from", early).exit_code == 0
    assert (board / "board.toml").read_text() == first
    late = write(tmp_path / "late", *LPA3_RUNS, runs=True)
    done = call(verb[0], board, *verb[1:], late)
    assert done.exit_code == 0, done.stderr
    assert f"wrote {board / 'board.toml'}, a draft" in done.stderr
    assert keys(board) == ["supervised", "supervised-lpa3"]
    whole = call("build", tmp_path / "whole" / "new", "--from", early, "--from", late)
    assert whole.exit_code == 0
    assert pages(tmp_path / "whole" / "new") == pages(board)
    assert call("build", board, "--fresh", "--from", early).exit_code == 0
    assert (board / "board.toml").read_text() == first


@pytest.mark.parametrize("how", ["plain", "mark", "crlf", "mark taken off"])
def test_an_edited_draft_stays_and_what_it_has_no_cell_for_is_named(tmp_path: Path, how: str) -> None:
    board = tmp_path / "new"
    call("build", board, "--from", write(tmp_path / "early", *NONE, runs=True))
    toml = board / "board.toml"
    text = toml.read_text()
    edited = {
        "plain": text.replace('name = "Digits"', 'name = "Mine"'),
        "mark": text.replace("# A draft", "# Our board"),
        "crlf": text.replace("Digits", "Mine", 1).replace("\n", "\r\n"),
        "mark taken off": text.partition("\n")[2],
    }[how]
    toml.write_bytes(edited.encode())
    done = call("build", board, "--from", write(tmp_path / "late", *LPA3_RUNS, runs=True))
    assert done.exit_code == 4
    assert toml.read_bytes() == edited.encode()
    (line,) = [line for line in done.stderr.splitlines() if "left out d" in line]
    start = f"left out {LPA3_RUNS[0].name}-{LPA3_RUNS[0].identity} (seeds 0, 1, 2): no row is for it; add to "
    assert line.startswith(f"{start}{toml} [[rows]] with ")
    advice = line.partition("[[rows]] with ")[2].replace(", name", "\nname").replace(", match", "\nmatch")
    toml.write_bytes(f"{edited}\n[[rows]]\n{advice}\n".encode())
    again = call("build", board, "--from", tmp_path / "late")
    assert again.exit_code == 0, again.stderr
    assert keys(board) == ["supervised", "supervised-lpa3"]


def test_what_the_whole_board_turns_away_is_named_and_no_failure(tmp_path: Path) -> None:
    only_here = TOML.replace("protocol = 1", 'protocol = 1\nmatch = { dataset = "Digits" }')
    board = board_folder(tmp_path / "mine", text=only_here)
    runs = write(tmp_path / "runs", *NONE, small_record(bits(5), dataset="Other"), runs=True)
    done = call("build", board, "--from", runs)
    assert done.exit_code == 0
    assert "(seed 0): not of this board: dataset is not Digits; " in done.stderr
    assert call("merge", board, runs).exit_code == 4


def told(text: str, **record: object) -> str:
    (experiment,) = left_out(defined(text), [small_record(bits(5), **record)])
    return experiment.text.partition(": ")[2]


def test_what_would_have_to_be_added_is_said() -> None:
    """A row, a column or both, with the conditions that tell it from the rows of its task and slots."""
    ours, theirs = {"positives": "Mine"}, {"LPA3.iterations": "0"}
    assert told(TOML, slots=ours) == (
        'no row is for it; add to small/board.toml [[rows]] with key = "supervised-mine", '
        'name = "Supervised + Mine", match = { "task" = "Supervised", "slots.view" = "none", '
        '"slots.strong" = "none", "slots.positives" = "Mine" }'
    )
    assert told(TOML, dataset="Other") == (
        'no column is for it; add to small/board.toml [[columns]] with key = "other", name = "Other", '
        'match = { "dataset" = "Other", "labels" = "Clean", "backbone" = "SmallNet" }'
    )
    both = told(TOML, dataset="Other", slots=ours)
    assert both.startswith("no row and no column is for it; add to small/board.toml [[rows]] with key")
    assert " and [[columns]] with key" in both
    searched = TOML + 'unless = { "LPA3.iterations" = 0 }\n'
    assert '(LPA3.iterations = 0)"' in told(searched, slots=LPA3, config=theirs)
    assert '"LPA3.iterations" = 0 }' in told(searched, slots=LPA3, config=theirs)
    columns = '\n[[columns]]\nkey = "other"\nname = "Other"\nmatch = { dataset = "Other" }\n'
    only = TOML + 'columns = ["digits"]\n' + columns
    assert told(only, dataset="Other", slots=LPA3) == (
        "row lpa3 is not planned in column other; add other to columns of lpa3 in small/board.toml"
    )


def test_no_result_needs_no_place() -> None:
    (experiment,) = left_out(defined(), [small_record(bits(5), dataset="Other", limit=9)])
    assert experiment.on_purpose
    assert "not a result: it was trained on a part of the images" in experiment.text
