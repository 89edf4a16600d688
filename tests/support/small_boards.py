"""A small board.toml for tests, and a folder of a board that is built from small records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from lpa3bench.boards.board import Board, Published
from lpa3bench.boards.building import build_board
from lpa3bench.boards.definition import BOARD_TOML, Definition, parse_definition
from lpa3bench.boards.intake import drop_others, intake
from lpa3bench.boards.toml_text import TomlText
from lpa3bench.records import Record
from lpa3bench.records.searches import Searched
from lpa3bench.runtime.files import make_folders, write_all
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
    return parse_definition(TomlText(folder / BOARD_TOML, text))


def claim(printed: str, metric: str = "accuracy.last") -> Published:
    """A published number of three runs."""
    mean, _, std = printed.partition(" ± ")
    return Published(
        mean=float(mean) / 100,
        std=float(std) / 100 if std else None,
        n=3,
        source="A paper",
        metric=metric,
        note="Copied.",
        printed=printed,
    )


def store(
    definition: Definition,
    records: Iterable[Record],
    searched: Mapping[str, Searched],
    *,
    replications: Iterable[Record] = (),
    alone: bool = False,
) -> None:
    """Take records into a board's results, without making its pages."""
    taken = intake(definition, records, searched, replications=replications)
    make_folders(path.parent for path in taken.files)
    write_all(taken.files)
    if alone:
        drop_others(definition, taken.files)


def board_of(
    *records: Record, text: str = TOML, published: Mapping[tuple[str, str], Published] | None = None
) -> Board:
    """The board of these records, beside what was published of a row and a column."""
    return build_board(replace(defined(text), published=published or {}), records, {})


def board_folder(folder: Path, *records: Record, text: str = TOML) -> Path:
    """A board's folder with these records in its results."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BOARD_TOML).write_text(text, encoding="utf-8")
    write(folder / "results", *records)
    return folder
