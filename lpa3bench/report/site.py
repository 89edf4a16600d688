"""Boards as a site: a page for each, with links to its neighbours and to what it is of, and an index of all.

A board's own page says nothing of when and where it was made; the pages of a site do, and are told it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from lpa3bench._version import __version__
from lpa3bench.boards.board import Board
from lpa3bench.boards.definition import Definition
from lpa3bench.report.answer import answer
from lpa3bench.report.board_files import BOARD_FILES
from lpa3bench.report.html.page import board_page, index_page
from lpa3bench.report.links import Known, Link, Navigation, origins

INDEX = "index.html"


@dataclass(frozen=True, kw_only=True)
class Site:
    """What all pages of a site tell and link to."""

    known: Known
    """Addresses relative to the page of a board, or whole ones."""
    docs: str = ""
    """Of the documentation, from the index; "": there is none."""
    date: str = ""
    """YYYY-MM-DD; "": that of the newest record."""
    commit: str = ""


@dataclass(frozen=True, kw_only=True)
class BoardSummary:
    """A board in the index."""

    key: str
    title: str
    about: str
    """The first sentence of its text."""
    question: str
    """The primary one, else the first; "": the board states none."""
    answer: str
    """In one sentence; "": nothing is measured."""
    records: int
    measured: int
    cells: int
    newest: str
    """The day of its newest record, YYYY-MM-DD; "": it has none."""
    versions: tuple[str, ...]
    """Of lpa3bench, that its records are of."""


def summarise_board(board: Board) -> BoardSummary:
    """What the index says of a board."""
    asked = sorted(board.questions, key=lambda question: not question.primary)
    made_by = [record["provenance"] for record in board.records.values()]
    return BoardSummary(
        key=board.key,
        title=board.title,
        about=re.split(r"(?<=[.!?])\s", " ".join(board.text.split()), maxsplit=1)[0],
        question=asked[0].text if asked else "",
        answer=answer(board),
        records=len(board.records),
        measured=board.measured,
        cells=len(board.cells),
        newest=max((told.get("finished") or "" for told in made_by), default="")[:10],
        versions=tuple(sorted({told["versions"].get("lpa3bench", "unknown") for told in made_by})),
    )


def site_pages(
    boards: Sequence[tuple[Definition, Board]], site: Site
) -> tuple[dict[PurePosixPath, str], list[BoardSummary]]:
    """The text of each file of the site by its path, and what its index says of the boards, in order."""
    summaries = [summarise_board(board) for _, board in boards]
    stamp = tuple(_stamp(site, newest=max((summary.newest for summary in summaries), default="")))
    pages = {
        PurePosixPath(INDEX): index_page(
            summaries, Navigation(links=_links(site.docs, ""), neighbours={}, origins=(), stamp=stamp)
        )
    }
    for place, (definition, board) in enumerate(boards):
        before, after = boards[place - 1 : place], boards[place + 1 : place + 2]
        neighbours = {"Previous": before, "Next": after}
        navigation = Navigation(
            links=_links(site.docs, "../"),
            neighbours={
                word: Link(text=other.title, url=f"../{other.key}/{INDEX}")
                for word, found in neighbours.items()
                for _, other in found
            },
            origins=tuple(origins(definition, board, site.known)),
            stamp=(*([f"newest record {newest}"] if (newest := summaries[place].newest) else ()), *stamp),
        )
        folder = PurePosixPath(board.key)
        pages |= {folder / name: make(board) for name, make in BOARD_FILES.items() if name != INDEX}
        pages[folder / INDEX] = board_page(board, navigation)
    return pages, summaries


def _links(docs: str, up: str) -> tuple[Link, ...]:
    """To the documentation and the index; from the index itself, only to the former."""
    start = f"{joined_address(docs, up)}/{INDEX}"
    found = {"Documentation": start if docs else "", "All boards": f"{up}{INDEX}" if up else ""}
    return tuple(Link(text=text, url=url) for text, url in found.items() if url)


def joined_address(docs: str, up: str) -> str:
    """The documentation's address seen from a page that much deeper."""
    whole = "://" in docs or docs.startswith("/")
    return docs.rstrip("/") if whole else f"{up}{docs}".rstrip("/")


def _stamp(site: Site, newest: str) -> Iterator[str]:
    if site.date:
        yield f"made {site.date}"
    elif newest:
        yield f"records up to {newest}"
    yield f"lpa3bench {__version__}"
    if site.commit:
        yield f"commit {site.commit[:12]}"
