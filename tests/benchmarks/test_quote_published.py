"""The published numbers that pages quote are those of the data file."""

from __future__ import annotations

from pathlib import Path

import pytest
from quote_published import QUOTED, renewed

from lpa3bench.boards.published import load_published

ROOT = Path(__file__).parents[2]
ROWS = load_published(ROOT / "leaderboards" / "published.toml")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_fresh(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert renewed(text, ROWS) == text, "python benchmarks/quote_published.py renews it"


def test_the_readme_quotes_every_number_of_the_papers_tables_once() -> None:
    quoted = [found[2] for found in QUOTED.finditer((ROOT / "README.md").read_text(encoding="utf-8"))]
    numbers = [
        (key, column)
        for reference in quoted
        for key, pattern in [reference.split(": ")]
        for column in ROWS[key]
        if column.startswith(pattern.rstrip("*"))
    ]
    assert len(numbers) == len({*numbers}) == 106
    assert {key for key, _ in numbers} == {key for key in ROWS if key.startswith("lpa3.")}


def test_what_stands_between_the_comments_is_replaced_and_nothing_else() -> None:
    text = "87.1 <!-- published lpa3.table2.mixup: cifar10_sym50 cifar100_* -->1.0<!-- end --> 87.1"
    fresh = text.replace("1.0<", "87.1 / 57.3 / 30.8 / 14.6<")
    assert renewed(text, ROWS) == renewed(fresh, ROWS) == fresh
    with pytest.raises(ValueError, match="there is no lpa3.table2.mixap"):
        renewed(text.replace("mixup", "mixap"), ROWS)
