"""What the theme leaves undone for those who use a keyboard or a screen reader, put into the pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

AMENDED = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="On this page">',
    "<pre>": '<pre tabindex="0">',  # so that what is wider than the page can be scrolled without a mouse
}


def amended(page: str) -> str:
    """The page with each of these said in full."""
    for written, meant in AMENDED.items():
        page = page.replace(written, meant)
    return page


def _amend(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for docname in app.env.found_docs:
        path = Path(app.builder.get_outfilename(docname))
        if path.is_file():
            path.write_text(amended(path.read_text(encoding="utf-8")), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", _amend)
    return {"parallel_read_safe": True}
