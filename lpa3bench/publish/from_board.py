"""What W&B is to hold of a board: its results at a glance and as a table to sort, its page, and its files."""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec

from lpa3bench.errors import DataError
from lpa3bench.publish.wandb_run import WandbArtifact, WandbRun, WandbTable
from lpa3bench.report.board_json import BoardFile
from lpa3bench.report.numbers import MISSING
from lpa3bench.report.table import ResultCell, column_title
from lpa3bench.report.table_building import result_table
from lpa3bench.report.table_text import VERDICT_SIGNS, measured_text
from lpa3bench.runtime.paths import cache_root

TEXT_COLUMNS = (
    "board", "row", "row_name", "column", "column_name", "metric", "seeds", "scores", "identity", "baseline",
    "verdict", "test", "differs_in", "published_printed", "published_metric", "published_source",
    "published_note", "reproduction_verdict", "flags",
)  # fmt: skip
"""Columns of `board.csv` that hold no numbers, whatever stands in them."""
NUMBER_CELL = re.compile(r"-?\d+(\.\d+)?(e-?\d\d?)?")
PUBLISHED_FILES = ("README.md", "board.csv", "board.json", "index.html")


def read_board(path: Path) -> WandbRun:
    """A built board as a run at W&B, whose id is a digest of the board's content.

    Raises:
        DataError: it is no built board.
    """
    found = {name: path / name for name in PUBLISHED_FILES}
    if missing := [name for name, file in found.items() if not file.is_file()]:
        raise DataError(f"{path}: holds no {missing[0]}; `lpa3bench leaderboard build {path}` makes it")
    key = re.sub(r"[^A-Za-z0-9_.-]+", "-", path.resolve().name)
    content = hashlib.sha256(b"".join(hashlib.sha256(f.read_bytes()).digest() for f in found.values()))
    digest = content.hexdigest()[:16]
    cells = _cells(found["board.csv"])
    return WandbRun(
        id=f"board-{digest}",
        name=f"{key} {digest[:8]}",
        group=f"leaderboard-{key}",
        job_type="leaderboard",
        tags=("leaderboard", key),
        config={"board": key, "content": digest},
        summary={"rows": len(cells.data)},
        tables={"board/matrix": _matrix(found["board.json"]), "board/cells": cells},
        pages={"board/page": str(found["index.html"].resolve())},
        artifact=WandbArtifact(
            name=f"leaderboard-{key}",
            type="leaderboard",
            files={name: str(file.resolve()) for name, file in found.items()},
        ),
    )


def board_state_folder(path: Path) -> Path:
    """Where publishing a board keeps its state: not in the board's folder, which may be shipped."""
    whole = path.resolve()
    return cache_root() / "boards" / f"{whole.name}-{hashlib.sha256(str(whole).encode()).hexdigest()[:8]}"


def _matrix(path: Path) -> WandbTable:
    """A row a method and a column a setting, as the board's README has them, with the sign of the verdict
    against the baseline."""
    try:
        board = msgspec.json.decode(path.read_bytes(), type=BoardFile)
    except (OSError, ValueError) as error:
        built = f"`lpa3bench leaderboard build {path.parent}` makes it"
        raise DataError(f"is no board of this version ({error}); {built}", path=path) from error
    table = result_table(board, board.metric)
    columns = ("method", *(column_title(column.column) for column in table.columns))
    rows = [(row.row.name, *map(_standing, row.cells)) for row in table.rows]
    return WandbTable(columns=columns, data=tuple(rows))


def _standing(cell: ResultCell | None) -> str | None:
    """`95.03 ± 1.24 (n 12) ▲`; a published number, `94.34 (claimed)`, where nothing is measured."""
    if cell is None:
        return None
    if cell.measured is None:
        return f"{cell.claimed.claim.printed} (claimed)" if cell.claimed else MISSING
    sign = VERDICT_SIGNS[cell.against.comparison.verdict] if cell.against else ""
    told = measured_text(cell, None)
    return " ".join(filter(None, (told.number, told.more, ", ".join(told.below), sign)))


def _cells(path: Path) -> WandbTable:
    """Columns and rows of the CSV; a column of numbers as numbers, an empty cell as null."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            columns, *rows = [*csv.reader(file)]
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}: is no table ({error})") from error
    if any(len(row) != len(columns) for row in rows):
        raise DataError(f"{path}: is no table: its rows differ in length")
    read = [_column(name, [row[place] for row in rows]) for place, name in enumerate(columns)]
    return WandbTable(columns=tuple(columns), data=tuple(zip(*read, strict=True)))


def _column(name: str, cells: list[str]) -> list[Any]:
    """The cells as numbers where all of them are; an identity of digits alone stays text."""
    if name in TEXT_COLUMNS or not all(NUMBER_CELL.fullmatch(cell) for cell in cells if cell):
        return [cell or None for cell in cells]
    return [float(cell) if cell else None for cell in cells]
