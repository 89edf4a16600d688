"""Records and boards that call a parameter by a name that it had once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.small_boards import TOML, board_folder
from support.small_records import bits, small_record, write

from lpa3bench.boards.definition import parse_definition
from lpa3bench.boards.toml_text import TomlText
from lpa3bench.cli import main
from lpa3bench.errors import RenamedWarning
from lpa3bench.records import Record

WAVY = """
from lpa3bench.plugin.hookspecs import hookimpl

class Wavy:
    renamed = {"eps": "strength", "strength": "margin"}

@hookimpl
def register_augmenters(register):
    register("Wavy", Wavy)
"""
SLOTS = {"positives": "Wavy"}


def run(name: str, seed: int, value: str = "0.5") -> Record:
    """Of a time when the parameter was called so."""
    config = {f"positives/Wavy.{name}": value}
    return small_record(bits(5 + seed), seed=seed, slots=SLOTS, config=config, identity=value)


def board_with(name: str) -> str:
    """Rows by that parameter."""
    match = f'match = {{ "slots.positives" = "Wavy", "Wavy.{name}" = 0.5 }}'
    return TOML.replace('match = { "slots.positives" = "LPA3" }', match)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    (tmp_path / "wavy.py").write_text(WAVY)
    return tmp_path / "wavy.py"


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, words)])


@pytest.mark.parametrize("written", ["eps", "strength", "margin"])
def test_runs_of_all_times_are_pooled_in_a_board_of_any_time(
    tmp_path: Path, plugin: Path, written: str
) -> None:
    records = [run(name, seed) for seed, name in enumerate(("eps", "strength", "margin"))]
    runs = write(tmp_path / "runs", *records, run("eps", 3, value="0.1"), runs=True)
    board = board_folder(tmp_path / "board", text=board_with(written))
    done = call("leaderboard", "build", board, "--from", runs, "--plugin", plugin)
    assert done.exit_code == 4, "the fourth run has no row"
    assert '"Wavy.margin" = 0.1 }' in done.stderr
    assert json.loads((board / "board.json").read_text())["cells"][1]["n"] == 3
    assert "3 records taken, 0 refused" in done.stderr
    warned = f"warning: {board / 'board.toml'}: Wavy.{written} is called Wavy.margin now\n"
    assert (warned in done.stderr) == (written != "margin")
    kept = (board / "results" / records[0].file_name).read_text()
    assert '"positives/Wavy.eps"' in kept, "a record stays as it was written"


def test_a_change_of_what_was_published_is_known_by_either_name() -> None:
    with pytest.warns(RenamedWarning, match=r"x/board.toml: Wavy.eps is called Wavy.margin now"):
        board = parse_definition(
            TomlText(Path("x/board.toml"), f'changed = ["Wavy.eps"]\n{TOML}'),
            lambda name: name.replace("eps", "margin"),
        )
    assert board.changed == {"Wavy.margin"}


def test_a_drafted_board_has_the_new_name(tmp_path: Path, plugin: Path) -> None:
    records = [run("eps", 0), run("margin", 1), run("eps", 0, value="0.1"), run("margin", 1, value="0.1")]
    runs = write(tmp_path / "runs", *records, runs=True)
    done = call("leaderboard", "build", tmp_path / "new", "--from", runs, "--plugin", plugin)
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "new" / "board.toml").read_text()
    assert '"Wavy.margin" = 0.5' in text
    assert "Wavy.eps" not in text
    cells = json.loads((tmp_path / "new" / "board.json").read_text())["cells"]
    assert [cell["n"] for cell in cells] == [2, 2]


def test_a_new_name_is_no_difference(tmp_path: Path, plugin: Path) -> None:
    old, new = write(tmp_path / "old", run("eps", 0)), write(tmp_path / "new", run("margin", 0, value="0.1"))
    shown = call("compare", new, old, "--plugin", plugin)
    assert "augmenter     positives/Wavy.margin: 0.5 → 0.1\n" in shown.stdout
    assert "eps" not in shown.stdout.replace("epsilon", "").replace("steps", "")
