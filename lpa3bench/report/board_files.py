"""All that is shown of a board, written into its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lpa3bench.boards.board import Board
from lpa3bench.report import board_json as dump
from lpa3bench.report import csv_table as table
from lpa3bench.report import latex, markdown
from lpa3bench.report.html.page import page
from lpa3bench.runtime.files import write_text

FILES: dict[str, Callable[[Board], str]] = {
    "README.md": markdown.readme,
    "board.csv": table.table,
    "board.tex": latex.tables,
    "board.json": dump.dump,
    "index.html": page,
}
"""By name, what makes it of a board."""


def write(board: Board, folder: Path) -> list[Path]:
    """Write every file, each whole or not at all; all are made before the first is written.

    Raises:
        RunFailed: the disk refused it.
    """
    texts = {folder / name: _encodable(make(board)) for name, make in FILES.items()}
    for path, text in texts.items():
        write_text(path, text)
    return [*texts]


def _encodable(text: str) -> str:
    """The text with a question mark for what UTF-8 cannot write: half of a pair, as JSON can hold it."""
    return text.encode("utf-8", "replace").decode("utf-8")
