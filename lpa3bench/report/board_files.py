"""All that is shown of a board, to be written into its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lpa3bench.boards.board import Board
from lpa3bench.report.board_json import board_json
from lpa3bench.report.board_readme import board_readme
from lpa3bench.report.csv_table import board_csv
from lpa3bench.report.html.page import board_page
from lpa3bench.report.latex import latex_tables
from lpa3bench.runtime.files import Writer, text_writer

BOARD_FILES: dict[str, Callable[[Board], str]] = {
    "README.md": board_readme,
    "board.csv": board_csv,
    "board.tex": latex_tables,
    "board.json": board_json,
    "index.html": board_page,
}
"""By name, what makes it of a board."""


def board_pages(board: Board, folder: Path) -> dict[Path, Writer]:
    """What writes each file of the board, by its path in that folder; all are made already."""
    return {folder / name: text_writer(make(board)) for name, make in BOARD_FILES.items()}
