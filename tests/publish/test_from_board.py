"""What W&B is to hold of a board."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.wandb_runs import made_board

from lpa3bench.errors import DataError
from lpa3bench.publish.from_board import TEXT_COLUMNS, read_board


def test_a_board_keeps_text_that_looks_like_a_number(tmp_path: Path) -> None:
    folder = made_board(tmp_path / "digits")
    lines = ("identity,seeds,row,p,other", "12345678,0,1e5,0.5,9e999", "9e123456,0,nan,1e-07,inf", ",,,,")
    (folder / "board.csv").write_text("\n".join(lines))
    assert read_board(folder).tables["board/cells"].data == (
        ("12345678", "0", "1e5", 0.5, "9e999"),
        ("9e123456", "0", "nan", 1e-07, "inf"),
        (None, None, None, None, None),
    )


def test_every_column_of_a_board_is_known_as_text_or_is_of_numbers(tmp_path: Path) -> None:
    """The names are those that boards write."""
    with (Path(__file__).parents[2] / "leaderboards" / "digits" / "board.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    assert {*TEXT_COLUMNS} <= {*columns}
    assert not [
        name for name in {*columns} - {*TEXT_COLUMNS} if "name" in name or "note" in name or "source" in name
    ]


def test_a_board(tmp_path: Path) -> None:
    folder = made_board(tmp_path / "digits")
    content = read_board(folder)
    cells = content.tables["board/cells"]
    first = dict(zip(cells.columns, cells.data[0], strict=True))
    assert (first["row"], first["n"], first["mean"]) == ("none", 8.0, 0.5)
    assert content.pages == {"board/page": str(folder / "index.html")}
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


def test_the_matrix_tells_at_a_glance(tmp_path: Path) -> None:
    folder = made_board(tmp_path / "digits")
    matrix = read_board(folder).tables["board/matrix"]
    assert matrix.columns == ("method", "Digits")
    assert matrix.data == (
        ("no augmenter", "50.00 ± 0.00 (n 8)"),
        ("LP-A3", "80.00 ± 0.00 (n 8) ▲"),
        ("Cutout", "94.34 ± 0.18 (claimed)"),
    )
    (folder / "board.json").write_text("{}")
    with pytest.raises(DataError, match=r"board\.json: is no board of this version .*leaderboard build"):
        read_board(folder)
