"""What W&B is to hold of a board."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lpa3bench.errors import DataError
from lpa3bench.publish.from_board import TEXT_COLUMNS, read_board


def board(folder: Path) -> Path:
    folder.mkdir()
    (folder / "board.csv").write_text('row,mean,n\n"RandAugment, twice",0.91,3\nLPA3,,0\n')
    for name in ("README.md", "board.json", "index.html"):
        (folder / name).write_text(name)
    return folder


def test_a_board_keeps_text_that_looks_like_a_number(tmp_path: Path) -> None:
    folder = board(tmp_path / "digits")
    lines = ("identity,seeds,row,p,other", "12345678,0,1e5,0.5,9e999", "9e123456,0,nan,1e-07,inf", ",,,,")
    (folder / "board.csv").write_text("\n".join(lines))
    assert read_board(folder).tables["board"]["data"] == [
        ["12345678", "0", "1e5", 0.5, "9e999"],
        ["9e123456", "0", "nan", 1e-07, "inf"],
        [None, None, None, None, None],
    ]


def test_every_column_of_a_board_is_known_as_text_or_is_of_numbers(tmp_path: Path) -> None:
    """The names are those that boards write."""
    with (Path(__file__).parents[2] / "leaderboards" / "digits" / "board.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    assert {*TEXT_COLUMNS} <= {*columns}
    assert not [
        name for name in {*columns} - {*TEXT_COLUMNS} if "name" in name or "note" in name or "source" in name
    ]


def test_a_board(tmp_path: Path) -> None:
    folder = board(tmp_path / "digits")
    content = read_board(folder)
    assert content.tables["board"] == {
        "columns": ["row", "mean", "n"],
        "data": [["RandAugment, twice", 0.91, 3.0], ["LPA3", None, 0.0]],
    }
    assert (content.job_type, content.group) == ("leaderboard", "leaderboard-digits")
    assert content.artifact is not None
    assert content.artifact.type == "leaderboard"
    assert read_board(folder).id == content.id
    (folder / "index.html").write_text("other")
    assert read_board(folder).id != content.id, "another content is another run"
    (folder / "board.csv").write_text("row,mean\na\n")
    with pytest.raises(DataError, match="rows differ in length"):
        read_board(folder)
    (folder / "board.csv").unlink()
    with pytest.raises(DataError, match=r"holds no board\.csv; `lpa3bench leaderboard build"):
        read_board(folder)
