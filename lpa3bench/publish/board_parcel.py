"""What W&B is to hold of a board: a table to sort, and the board's files as an artifact."""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path
from typing import Any

from lpa3bench.errors import DataError
from lpa3bench.publish.parcel import Artifact, Parcel
from lpa3bench.runtime.paths import cache_root

TEXT = (
    "board", "row", "row_name", "column", "column_name", "metric", "seeds", "scores", "identity", "baseline",
    "verdict", "test", "differs_in", "published_printed", "published_metric", "published_source",
    "published_note", "reproduction_verdict", "flags",
)  # fmt: skip
"""Columns of `board.csv` that hold no numbers, whatever stands in them."""
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d\d?)?")
FILES = ("README.md", "board.csv", "board.json", "index.html")


def read_board(path: Path) -> Parcel:
    """A built board. Its id at W&B stands for its content: another content is another run.

    Raises:
        DataError: it is no built board.
    """
    found = {name: path / name for name in FILES}
    if missing := [name for name, file in found.items() if not file.is_file()]:
        raise DataError(f"{path}: holds no {missing[0]}; `lpa3bench leaderboard build {path}` makes it")
    key = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.resolve().name)
    content = hashlib.sha256(b"".join(hashlib.sha256(f.read_bytes()).digest() for f in found.values()))
    digest = content.hexdigest()[:16]
    table = _table(found["board.csv"])
    return Parcel(
        id=f"board-{digest}",
        name=f"{key} {digest[:8]}",
        group=f"leaderboard-{key}"[:128],
        job_type="leaderboard",
        tags=("leaderboard", key[:64]),
        config={"board": key, "content": digest},
        summary={"rows": len(table["data"])},
        tables={"board": table},
        artifact=Artifact(
            name=f"leaderboard-{key}"[:128],
            type="leaderboard",
            files={name: str(file.resolve()) for name, file in found.items()},
        ),
    )


def home_of(path: Path) -> Path:
    """Where what publishing a board leaves is kept: not in its folder, which may be shipped."""
    whole = path.resolve()
    return cache_root() / "boards" / f"{whole.name}-{hashlib.sha256(str(whole).encode()).hexdigest()[:8]}"


def _table(path: Path) -> dict[str, Any]:
    """Columns and rows of the CSV; a column of numbers as numbers, an empty cell as null."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            columns, *rows = [*csv.reader(file)]
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}: is no table ({error})") from error
    if any(len(row) != len(columns) for row in rows):
        raise DataError(f"{path}: is no table: its rows differ in length")
    read = [_column(name, [row[place] for row in rows]) for place, name in enumerate(columns)]
    return {"columns": columns, "data": [[column[place] for column in read] for place in range(len(rows))]}


def _column(name: str, cells: list[str]) -> list[Any]:
    """The cells as numbers where the column is one of numbers: an identity of digits alone is none."""
    if name in TEXT or not all(NUMBER.fullmatch(cell) for cell in cells if cell):
        return [cell or None for cell in cells]
    return [float(cell) if cell else None for cell in cells]
