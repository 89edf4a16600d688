"""Where the rows and columns of a board lead: the plugins that they are of, those's papers, the gin files.

Which plugins and files these are follows from the board's conditions and records alone; what is known of each
is handed in, since a page that stands alone has no reference to link to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lpa3bench.boards.board import Board, Column, Row
from lpa3bench.boards.conditions import NONE, SLOT, Conditions
from lpa3bench.boards.definition import Definition

PLUGIN_FIELDS = ("task", "dataset", "labels", "backbone")
"""Conditions whose values are names of plugins, beside those on slots."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where a word leads."""

    text: str
    url: str


@dataclass(frozen=True, kw_only=True)
class PluginLinks:
    """What is known of a plugin; "": no such page."""

    reference: str = ""
    paper: str = ""


@dataclass(frozen=True, kw_only=True)
class Known:
    """All that a page may link to, by name."""

    plugins: Mapping[str, PluginLinks]
    configs: Mapping[str, str]
    """Addresses of gin files by the name that a command line calls them, "": it has no page."""


@dataclass(frozen=True, kw_only=True)
class PartLinks:
    """What a row or a column is of."""

    id: str
    """Of its line in the page: `of-row-lpa3`."""
    name: str
    plugins: Mapping[str, PluginLinks]
    configs: tuple[Link, ...]


@dataclass(frozen=True, kw_only=True)
class Navigation:
    """What a page of a site has beside its board; a page without it stands alone."""

    links: tuple[Link, ...]
    """To the index and beyond."""
    neighbours: Mapping[str, Link]
    """By "Previous" and "Next"."""
    origins: tuple[PartLinks, ...]
    stamp: tuple[str, ...]
    """Date, version and commit, in words."""

    @property
    def ids(self) -> frozenset[str]:
        """Of the rows and columns that the page says something of."""
        return frozenset(origin.id for origin in self.origins)


def page_anchor(name: str) -> str:
    """The id of the section of that heading, as docutils makes it: `augmenters-lpa3` of augmenters/lpa3."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def origins(definition: Definition, board: Board, known: Known) -> list[PartLinks]:
    """Of the whole board first, then of each row and column that has something of its own."""
    files = {name for command in board.commands for name in command.split()}
    whole = _Names(board, [*board.records])
    found = [
        _origin("board", "All of it", whole.plugins | _named(definition.conditions), files, known),
        *_parts("row", board, board.rows, definition.of_row, known),
        *_parts("column", board, board.columns, definition.of_column, known),
    ]
    return [origin for origin in found if origin.plugins or origin.configs]


def _parts(
    what: str,
    board: Board,
    parts: Iterable[Row] | Iterable[Column],
    conditions: Mapping[str, Conditions],
    known: Known,
) -> Iterator[PartLinks]:
    """What the records of a part have in common and those of the whole board have not."""
    whole = _Names(board, [*board.records])
    for part in parts:
        own = (cell.records for cell in board.cells if getattr(cell, what) == part.key)
        names = _Names(board, [file for files in own for file in files])
        plugins = _named(conditions[part.key]) | (names.plugins - whole.plugins)
        yield _origin(f"{what}-{part.key}", part.name, plugins, names.files - whole.files, known)


class _Names:
    """The plugins, and the words of their commands, that all of some records share."""

    def __init__(self, board: Board, records: Iterable[str]) -> None:
        told = [board.records[file] for file in records]
        self.plugins = _shared(told, lambda record: record["plugins"])
        self.files = _shared(told, lambda record: record["provenance"].get("command") or ())


def _shared(records: list[dict[str, Any]], told: Callable[[dict[str, Any]], Iterable[str]]) -> set[str]:
    sets = [{*told(record)} for record in records]
    return set.intersection(*sets) if sets else set()


def _named(conditions: Conditions) -> set[str]:
    """The plugins that they name."""
    return {
        value
        for condition in conditions.match
        if condition.name in PLUGIN_FIELDS or condition.name.startswith(SLOT)
        for value in condition.values
        if isinstance(value, str) and value != NONE
    }


def _origin(key: str, name: str, plugins: Iterable[str], files: Iterable[str], known: Known) -> PartLinks:
    configs = {file.removeprefix("gin/").removesuffix(".gin") for file in files} & known.configs.keys()
    return PartLinks(
        id=f"of-{key}",
        name=name,
        plugins={key: known.plugins.get(key, PluginLinks()) for key in sorted(plugins)},
        configs=tuple(Link(text=key, url=known.configs[key]) for key in sorted(configs)),
    )
