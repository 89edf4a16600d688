"""The parts that make the documentation a site. The whole is built by .ci/run, with warnings as errors."""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path, PurePosixPath
from types import ModuleType

import click
import pytest

from lpa3bench.plugin.hookspecs import KINDS

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch):
    """Imports one of them; they need no Sphinx until it calls them."""
    monkeypatch.setattr(sys, "path", [str(DOCS / "site"), *sys.path])

    def load(name: str) -> ModuleType:
        return import_module(name)

    return load


def site(folder: Path, **pages: str) -> Path:
    for name, text in pages.items():
        path = folder / f"{name.replace('__', '/')}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<!doctype html><body>{text}</body>")
    return folder


def test_links_that_lead_somewhere_are_let_be(tmp_path: Path, part) -> None:
    built = site(
        tmp_path,
        index='<h1 id="top"></h1><a href="#top">a</a><a href="sub/page.html#here%20too">b</a>'
        '<a href="https://example.org/x">c</a><a href="mailto:a@b.c">d</a><link rel="icon" href="data:,">',
        sub__page='<p id="here too"></p><a href="../index.html">back</a><a href="?q=1">self</a>',
    )
    assert part("check_links").dead_links(built) == []


@pytest.mark.parametrize(
    "dead",
    ['<a href="gone.html">', '<a href="#gone">', '<a href="sub/page.html#gone">',
     '<a href="../outside.html">', '<a href="sub/">', '<img src="gone.png">', '<script src="https://example.org/a.js">',
     '<link rel="stylesheet" href="https://example.org/a.css">'],
)  # fmt: skip
def test_each_kind_of_dead_link_is_found(tmp_path: Path, dead: str, part) -> None:
    (tmp_path / "outside.html").write_text("")
    built = site(tmp_path / "site", index=dead, sub__page="")
    address = re.findall('"([^"]*)">', dead)[0]
    assert part("check_links").dead_links(built) == [f"index.html: {address}"]


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("gin/cifar10_mcorrection.gin", "reference/configs.html#cifar10-mcorrection"),
        ("gin/augmenters/lpa3.gin", "reference/configs.html#augmenters-lpa3"),
        ("leaderboards/digits/README.md", "boards/digits/index.html"),
        ("leaderboards/published.toml", "files/leaderboards/published.toml.txt"),
        ("CONTRIBUTING.md", "reference/contributing.html"),
        ("docs/cli.md", None),
    ],
)
def test_files_of_the_repository_have_a_place(file: str, place: str | None, part) -> None:
    assert part("repository_links").on_the_site(PurePosixPath(file)) == place


def test_a_notebook_is_its_text_and_code(part) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": ["x = 1\n", "x"], "outputs": []},
    ]
    text = part("notebook_pages").as_markdown(json.dumps({"cells": cells}))
    assert text == "# Title\ntext\n\n```python\nx = 1\nx\n```"


@pytest.mark.parametrize(
    ("plain", "rst"),
    [
        ("the `code_` of *all*", "the ``code_`` of *all*"),
        ("|change| of a*b", "\\|change\\| of a\\*b"),
        ("`*args` and ``twice``", "``*args`` and ``twice``"),
        ("* a point\n* another", "* a point\n* another"),
        ("wandb_ and under_score", "wandb\\_ and under_score"),
    ],
)
def test_plain_english_is_no_markup(plain: str, rst: str, part) -> None:
    assert part("plain_docstrings").as_rst(plain) == rst


def test_what_the_theme_leaves_out_is_said_once(part) -> None:
    page = '<p class="caption" role="heading"><pre>wide</pre><aside class="toc-drawer">'
    once = part("accessible_pages").amended(page)
    assert once == (
        '<p class="caption" role="heading" aria-level="2"><pre tabindex="0">wide</pre>'
        '<aside class="toc-drawer" aria-label="On this page">'
    )
    assert part("accessible_pages").amended(once) == once


def test_every_page_is_in_the_table_of_contents_once() -> None:
    told = re.findall(r"^([a-z0-9/-]+)\.(?:md|rst|ipynb)$", (DOCS / "index.md").read_text(), re.MULTILINE)
    pages = [path for end in ("md", "rst", "ipynb") for path in DOCS.rglob(f"*.{end}")]
    names = {path.relative_to(DOCS).with_suffix("").as_posix() for path in pages}
    assert sorted(told) == sorted(names - {"index"})


def test_every_kind_of_plugin_has_a_page() -> None:
    for kind in KINDS:
        assert f".. plugins:: {kind}" in (DOCS / "reference" / f"{kind}.rst").read_text()


def test_pages_that_are_read_on_github_have_no_markup_of_sphinx() -> None:
    for path in DOCS.glob("*.md"):
        found = re.findall(r"^```\{(.*)\}|\{[a-z:]+\}`", path.read_text(), re.MULTILINE)
        assert {*found} <= ({"toctree"} if path.name == "index.md" else set()), path.name


def test_the_reference_has_every_verb_below_a_verb(part) -> None:
    group = click.Group("top", commands={})
    group.add_command(leaderboard := import_module("lpa3bench.cli.leaderboard").command, "leaderboard")
    part("verb_pages").load_verbs(group)
    assert {"build", "merge", "site", "publish"} <= leaderboard.commands.keys()
    assert leaderboard.commands["site"].name == "site"
