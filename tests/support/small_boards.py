"""A small board.toml for tests, and a folder of a board that is built from small records."""

from __future__ import annotations

from pathlib import Path

from lpa3bench.boards import definition
from lpa3bench.boards.board import Board
from lpa3bench.boards.building import build
from lpa3bench.boards.definition import Definition
from lpa3bench.records import Record
from support.small_records import write

TOML = """
title = "A small board"
text = "For tests."
metric = "accuracy.last"
protocol = 1

[[columns]]
key = "digits"
name = "Digits"
match = { dataset = "Digits" }

[[rows]]
key = "none"
name = "no augmenter"
match = { "slots.positives" = "none" }

[[rows]]
key = "lpa3"
name = "LP-A3"
baseline = "none"
match = { "slots.positives" = "LPA3" }
"""
LPA3 = {"positives": "LPA3"}


def defined(text: str = TOML, folder: Path = Path("small")) -> Definition:
    """The definition with that text, as if it stood in the folder."""
    return definition.read(text, folder / definition.NAME)


def board_of(*records: Record, text: str = TOML) -> Board:
    """The board of these records."""
    return build(defined(text), records, {})


def board_folder(folder: Path, *records: Record, text: str = TOML) -> Path:
    """A board's folder with these records in its results."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / definition.NAME).write_text(text, encoding="utf-8")
    write(folder / "results", *records)
    return folder
