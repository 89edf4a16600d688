"""A site of boards: its index, the way between its pages, and where rows and columns lead."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path, PurePosixPath

import pytest
from support.small_boards import LPA3, TOML, defined
from support.small_records import bits, small_record

from lpa3bench.boards.board import Board
from lpa3bench.boards.building import build_board
from lpa3bench.boards.definition import Definition
from lpa3bench.report.board_files import BOARD_FILES
from lpa3bench.report.html import board_page
from lpa3bench.report.links import Known, PartLinks, PluginLinks, origins, page_anchor
from lpa3bench.report.site import Site, joined_address, site_pages, summarise_board

QUESTION = """
[[questions]]
text = "Does LP-A3 help?"
rows = ["lpa3"]
against = ["none"]
primary = true
"""
PAPER = "https://arxiv.org/abs/2211.00824"
KNOWN = Known(
    plugins={
        "LPA3": PluginLinks(reference="../../reference/augmenters.html#lpa3", paper=PAPER),
        "Supervised": PluginLinks(),
    },
    configs={"quickstart": "../../reference/configs.html#quickstart", "augmenters/lpa3": ""},
)


def made(key: str, *, title: str = "A small board", records: bool = True) -> tuple[Definition, Board]:
    """A board in a folder of that name; its runs of LP-A3 were typed with an overlay."""
    definition = defined(TOML.replace("A small board", title) + QUESTION, Path(key))
    if not records:
        return definition, build_board(definition, [], {})
    runs = [small_record(bits(5 + seed), seed=seed, identity="0000000a") for seed in range(3)]
    runs += [small_record(bits(8), seed=seed, slots=LPA3, identity="0000000b") for seed in range(3)]
    board = build_board(definition, runs, {})
    told = {}
    for name, record in board.records.items():
        files = ["gin/quickstart.gin", *(["augmenters/lpa3"] if "lpa3" in name else [])]
        made_by = {
            **record["provenance"],
            "command": ["lpa3bench", "run", *files, "--seed", "0"],
            "finished": f"2026-11-0{1 + record['seed']}T10:00:00+00:00",
            "versions": {"lpa3bench": "0.1.0"},
        }
        plugins = {"Supervised": "1", "Digits": "1", **({"LPA3": "1"} if "lpa3" in name else {})}
        told[name] = {**record, "provenance": made_by, "plugins": plugins}
    return definition, replace(board, records=told)


@pytest.fixture(scope="module")
def pages() -> dict[PurePosixPath, str]:
    boards = [made("one", title="First"), made("two", title="<b>Second</b>"), made("three", records=False)]
    found, _ = site_pages(boards, Site(known=KNOWN, docs="..", commit="0123456789abcdef"))
    return found


def hrefs(page: str) -> list[str]:
    return re.findall(r'href="([^"]*)"', page)


def page(pages: dict[PurePosixPath, str], path: str) -> str:
    return pages[PurePosixPath(path)]


def test_each_board_has_its_files_and_the_index_leads_to_all(pages: dict[PurePosixPath, str]) -> None:
    files = {"index.html", "README.md", "board.csv", "board.json", "board.tex"}
    assert {*map(str, pages)} == {
        "index.html",
        *(f"{key}/{file}" for key in ("one", "two", "three") for file in files),
    }
    found = hrefs(page(pages, "index.html"))
    assert [url for url in found if url.endswith("/index.html")] == [
        "../index.html", "one/index.html", "two/index.html", "three/index.html",
    ]  # fmt: skip


def test_the_index_says_what_was_asked_answered_and_measured() -> None:
    summary = summarise_board(made("one")[1])
    assert summary.question == "Does LP-A3 help?"
    assert summary.answer.startswith("LP-A3 is not testable against “no augmenter” in 1 of 1 settings")
    assert (summary.records, summary.measured, summary.cells) == (6, 2, 2)
    assert (summary.newest, summary.versions) == ("2026-11-03", ("0.1.0",))
    empty = summarise_board(made("three", records=False)[1])
    assert (empty.records, empty.newest, empty.versions) == (0, "", ())
    assert empty.answer.startswith("Nothing is measured yet")
    assert empty.about == "For tests."


def test_a_page_leads_to_its_neighbours_the_index_and_the_documentation(
    pages: dict[PurePosixPath, str],
) -> None:
    found = hrefs(page(pages, "two/index.html"))
    assert {"../index.html", "../../index.html", "../one/index.html", "../three/index.html"} <= {*found}
    first = hrefs(page(pages, "one/index.html"))
    assert "../two/index.html" in first
    assert "../three/index.html" not in first
    inside = ("#", "..", "results/", "data:", "https://arxiv", *BOARD_FILES)
    assert [url for url in found if not url.startswith(inside)] == []


def test_titles_stay_text(pages: dict[PurePosixPath, str]) -> None:
    for path in ("index.html", "one/index.html", "two/index.html"):
        assert "<b>Second" not in page(pages, path)
        assert "&lt;b&gt;Second" in page(pages, path)


def test_every_page_says_day_version_and_commit(pages: dict[PurePosixPath, str]) -> None:
    for path, text in pages.items():
        if path.name == "index.html":
            assert re.search(r"records up to 2026-11-03 · lpa3bench [\d.]+ · commit 0123456789ab<", text), (
                path
            )
    assert "newest record 2026-11-03" in page(pages, "one/index.html")
    dated, _ = site_pages([made("one")], Site(known=KNOWN, date="2027-01-02"))
    assert "made 2027-01-02 · lpa3bench" in page(dated, "one/index.html")
    assert "commit" not in page(dated, "index.html")


def test_pages_load_nothing_and_run_no_foreign_script(pages: dict[PurePosixPath, str]) -> None:
    text = page(pages, "index.html")
    assert "default-src 'none'" in unescape(text)
    assert "<script" not in text
    assert "src=" not in text


def test_a_board_alone_is_as_it_was(pages: dict[PurePosixPath, str]) -> None:
    """What a site adds is all that tells its page from the board's own."""
    alone = board_page(made("one", title="First")[1])
    for text in ('aria-label="Site"', "of-row-lpa3", 'class="stamp"', "commit 0123"):
        assert text not in alone
        assert text in page(pages, "one/index.html")


def of(found: list[PartLinks]) -> dict[str, PartLinks]:
    return {origin.id: origin for origin in found}


def test_rows_lead_to_reference_paper_and_config(pages: dict[PurePosixPath, str]) -> None:
    found = of(origins(*made("one"), KNOWN))
    assert [*found] == ["of-board", "of-row-lpa3", "of-column-digits"]
    assert found["of-row-lpa3"].plugins == {"LPA3": KNOWN.plugins["LPA3"]}
    assert [link.text for link in found["of-row-lpa3"].configs] == ["augmenters/lpa3"]
    assert [*found["of-board"].plugins] == ["Digits", "Supervised"]
    assert [(link.text, link.url) for link in found["of-board"].configs] == []
    text = page(pages, "one/index.html")
    assert 'href="#of-row-lpa3"' in text
    assert 'id="of-row-lpa3"' in text
    assert {PAPER, "../../reference/augmenters.html#lpa3"} <= {*hrefs(text)}
    assert 'href="#of-row-none"' not in text


def test_what_was_never_measured_still_leads_where_its_conditions_say() -> None:
    found = of(origins(*made("three", records=False), KNOWN))
    assert [*found["of-row-lpa3"].plugins] == ["LPA3"]
    assert [*found["of-column-digits"].plugins] == ["Digits"]
    definition, board = made("three", records=False)
    told = of(origins(definition, replace(board, commands=("lpa3bench run quickstart",)), KNOWN))
    assert [link.text for link in told["of-board"].configs] == ["quickstart"]


@pytest.mark.parametrize(
    ("name", "anchor"),
    [("LPA3", "lpa3"), ("augmenters/lpa3_noise", "augmenters-lpa3-noise"), ("CIFAR10", "cifar10")],
)
def test_anchors_are_those_of_headings(name: str, anchor: str) -> None:
    assert page_anchor(name) == anchor


@pytest.mark.parametrize(
    ("docs", "up", "seen"),
    [
        ("..", "../", "../.."),
        ("../", "", ".."),
        ("https://x.org/docs/", "../", "https://x.org/docs"),
        ("/d", "../", "/d"),
    ],
)
def test_the_documentation_is_found_from_every_depth(docs: str, up: str, seen: str) -> None:
    assert joined_address(docs, up) == seen
