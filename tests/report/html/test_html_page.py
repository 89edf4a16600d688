"""The page as a file: the same each time, closed to the outside, escaped, whole without a script."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import fields, is_dataclass, replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
from support.made_up_boards import board, large

from lpa3bench.report.board_files import BOARD_FILES
from lpa3bench.report.html import board_page

EVIL = "<script>alert(1)</script>'\"`&{{ 7 * 7 }}</style></script>"
VOID = {"meta", "link", "input", "br"}
LOADING = {"src", "href", "action", "data", "poster", "srcset", "style", "formaction", "xlink:href"}


class Reader(HTMLParser):
    """Collects text, elements and attributes, and holds that every element closes the one it opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@cache
def made() -> str:
    return board_page(board())


def soiled(value: Any, name: str = "") -> Any:
    """The same board with something evil in every string that is no key and not one of a few words."""
    if isinstance(value, str):
        kept = {"key", "row", "column", "baseline", "metric", "verdict", "unit", "identity", "a", "b"}
        return value if name in kept else f"{value}{EVIL}"
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: soiled(getattr(value, f.name), f.name) for f in fields(value)})
    if isinstance(value, dict):
        ours = name in ("measures", "other_scores", "records") or "a" in value or "seed" in value
        return {key if ours else f"{key}{EVIL}": soiled(part, str(key)) for key, part in value.items()}
    if isinstance(value, tuple | list):
        keep = name in ("columns", "rows", "records", "also")
        return type(value)(part if keep and isinstance(part, str) else soiled(part) for part in value)
    return value


def test_the_same_board_makes_the_same_page() -> None:
    assert board_page(board()) == made()


def test_every_element_is_closed_and_ids_are_unique() -> None:
    reader = read(made())
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len({*ids}) > 10
    targets = {a["href"] for tag, a in reader.elements if tag == "a" and str(a["href"]).startswith("#")}
    assert targets
    assert {str(target)[1:] for target in targets} <= {*ids}


def test_nothing_is_loaded_from_anywhere() -> None:
    loads = [
        (tag, name, value)
        for tag, attributes in read(made()).elements
        for name, value in attributes.items()
        if name in LOADING
        and not (tag in ("a", "use") and str(value).startswith(("#", "results/", *BOARD_FILES)))
    ]
    assert loads == [("link", "href", "data:,")]
    assert "http:" not in made()
    assert "https:" not in made()
    assert "@import" not in made()
    assert "url(" not in made()


def test_the_policy_names_this_script_and_this_style_alone() -> None:
    reader = read(made())
    (policy,) = (a["content"] for _, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", made(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert [a for _, a in reader.elements if any(name.startswith("on") for name in a)] == []


def test_no_string_of_a_board_becomes_markup() -> None:
    flagged = replace(board(), cells=tuple(replace(cell, flags=("a flag",)) for cell in board().cells))
    evil = board_page(soiled(flagged))
    clean, dirty = read(made()), read(evil)
    assert {tag for tag, _ in dirty.elements} == {tag for tag, _ in clean.elements}
    assert {name for _, a in dirty.elements for name in a} <= {name for _, a in clean.elements for name in a}
    assert evil.count("<script>") == evil.count("<style>") == 1
    assert evil.count("<script") == evil.count("</script") == 2, "ours, and the data that it reads"
    assert "<script>alert(1)</script>'\"`&{{ 7 * 7 }}" in dirty.words, "as text it can be read"
    assert evil.count("7 * 7") > 100


def test_everything_can_be_read_without_a_script() -> None:
    words = read(made()).words
    for expected in (
        "Nothing here was trained.",
        "96.30 ± 0.16, n 5",
        "92.51 ± 1.21",
        "▲ +2.30",
        "? +0.40",
        "✗ not reproduced",
        "6 of 10 cells, 28 runs",
        "± is the sample standard deviation (ddof = 1) over seeds.",
        "Two columns allow no p below 0.5.",
        "settings chosen from 20 random draws",
        "2 of 10 harmed; the worst is class 3 with −2.10 points",
        "PES.lambda_u: 75.0 → 37.5",
        "▼ −1.10 ≠",
        "4.32 k against 1.44 k (× 3.00)",
        "the method stopped at the baseline's cost: 90.00 against 91.00 %, +0.67 points (p 0.75, not",
        "to come to the baseline's final score: the method did in 2 of 3 pairs; medians 2 k against 1 k",
        "66 s against 60 s (× 1.10); the surroundings differ, so seconds do not compare",
        "66 s against 60 s (× 1.10) seconds of the baseline",
        "processes: 1 → 2",
        "augmenter only No other setting differs",
        "2 of 3 runs had another version of torch",
        "lpa3bench leaderboard build leaderboards/made_up",
        "1" * 12 + "…",
        "'value 17'",
        "Linux-6.18-x86_64",
    ):
        assert expected in words, expected
    hidden = {a.get("id") or a.get("class") for _, a in read(made()).elements if "hidden" in a}
    assert hidden == {"controls", "pair", "chart", "copy", "nothing", "untested"}, (
        "only what needs a script, until there is one"
    )


def test_signs_have_words_and_no_text_is_there_that_nobody_sees() -> None:
    """What is selected and copied is what is seen; what a sign means is an attribute."""
    assert "unseen" not in made()
    labels = {
        a["aria-label"] for _, a in read(made()).elements if a.get("role") == "img" and "aria-label" in a
    }
    assert labels >= {
        "better, against FixMatch:",
        "not testable, against FixMatch:",
        "worse, against FixMatch; not the augmenter alone differs:",
        "not planned",
    }
    assert 'aria-label="not measured: how to run it">–</a>' in made()


def test_a_board_without_runs_is_a_page_too() -> None:
    bare = replace(
        board(),
        cells=tuple(replace(board().cells[2], row=row.key) for row in board().rows),
        ranking=None,
        records={},
    )
    words = read(board_page(bare)).words
    assert "0 of 4 cells, 0 runs" in words
    assert "Convergence" not in words
    assert "Ranking" not in words


def test_a_large_board_is_a_small_file() -> None:
    text = board_page(large())
    assert len(gzip.compress(text.encode())) < 250_000, "as it is sent"
    assert len(json.dumps(text)) > 500_000, "and no empty one"
    read(text)


@pytest.mark.parametrize("key", ["c40", "c250"])
def test_a_cells_address_is_its_method_and_column(key: str) -> None:
    assert f'href="#cell-fixmatch:{key}"' in made()
    assert f'id="cell-fixmatch:{key}"' in made()


def test_what_stands_beside_the_table_is_told_in_whole_sentences() -> None:
    made = board()
    ranking = made.ranking and replace(made.ranking, note="not testable: there are 7")
    scored = tuple(
        replace(c, other_scores={"last": 0.9}, other_stds={"last": 0.01}) if c.n else c for c in made.cells
    )
    rows = (replace(made.rows[0], name="weak view only"), *made.rows[1:])
    words = read(board_page(replace(made, ranking=ranking, cells=scored, rows=rows))).words
    assert "Not testable: there are 7." in words
    assert "90.00 ± 1.00 %" in words, "other measures have their deviation"
    assert "weak view only no augmenter: only the data set’s own small shifts and flips" in words
    assert "alone, the same byte for byte. These commands make it again:" in words
