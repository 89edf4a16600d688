"""A board's README as GitHub shows it: rendered in Chromium with its table styles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.made_up_boards import wide_board

from lpa3bench.report.board_readme import board_readme
from lpa3bench.report.markdown import EM_PX, PAGE_PX, SAFETY
from lpa3bench.report.table_blocks import text_units

FONT = '16px/1.5 -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif'
STYLE = f"""
body {{ margin: 0; width: {PAGE_PX}px; font: {FONT} }}
table {{ display: block; width: max-content; max-width: 100%; overflow: auto; border-collapse: collapse }}
th, td {{ padding: 6px 13px; border: 1px solid }}
"""
"""What decides about widths in github-markdown.css."""
LINE_PX = 24
OF_ALL = "[...document.querySelectorAll('%s')]"
TALL = "const r = document.createRange(); r.selectNodeContents(c); return r.getBoundingClientRect().height"
TEXTS = (
    "98.27 ± 0.35", "▲ +1.91 [+1.30, +2.62]", "smallest p 0.0039", "(n 12)", "0123456789", "× 4.00",
    "MCorrection, 50 % noise", "weak view only, equal cost", "RandAugment as added term", "○ −0.15",
    "CIFAR-100, 10,000 labels",
)  # fmt: skip


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    yield tab
    tab.close()


def test_letters_are_no_wider_than_the_budget_has_them(page: Any) -> None:
    spans = "".join(f"<div><span>{text}</span></div>" for text in TEXTS)
    page.set_content(f"<style>{STYLE} span {{ white-space: pre; font-weight: 600 }}</style>{spans}")
    widths = page.evaluate(f"{OF_ALL % 'span'}.map(e => e.getBoundingClientRect().width)")
    too_wide = {t: w for t, w in zip(TEXTS, widths, strict=True) if w > EM_PX * SAFETY * text_units(t)}
    assert too_wide == {}


def test_tables_need_no_bar_and_numbers_no_second_line(page: Any) -> None:
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    engine = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table")
    html = engine.render(board_readme(wide_board(12)))
    page.set_content(f"<style>{STYLE}</style>{html}")
    tables = page.evaluate(f"{OF_ALL % 'table'}.map(t => [t.scrollWidth, t.clientWidth])")
    assert len(tables) > 6
    assert all(needed <= there for needed, there in tables)
    alone = f"{OF_ALL % 'td'}.filter(c => c.textContent.includes('±') && !c.querySelector('br'))"
    heights = page.evaluate(f"{alone}.map(c => {{ {TALL} }})")
    assert heights
    assert max(heights) < 2 * LINE_PX
