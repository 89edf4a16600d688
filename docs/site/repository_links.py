"""Links of pages to files of the repository, which are relative there, lead to places of the site here.

A gin file leads to its section among the configs, a board to its page, CONTRIBUTING.md and CHANGELOG.md to
pages with their text; any other file is laid beside the pages, as text that a browser shows.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from lpa3bench.report.links import page_anchor

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
SCHEME = "site:"
LINK = re.compile(r"(\]\()([^)#\s:]+)(#[^)\s]*)?(\))")
PAGES = {
    "README.md": "index",
    "CONTRIBUTING.md": "reference/contributing",
    "CHANGELOG.md": "reference/changelog",
}
"""Files at the top, and the pages that have their place."""


def on_the_site(path: PurePosixPath) -> str | None:
    """Where a file of the repository is found on the site; None: as it is, it is a page of it."""
    text = path.as_posix()
    if path.suffix == ".gin" and path.parts[0] == "gin":
        name = text.removeprefix("gin/").removesuffix(".gin")
        return f"reference/configs.html#{page_anchor(name)}"
    if path.parts[0] == "leaderboards" and (ROOT / path.parent / "board.toml").is_file():
        return f"boards/{path.parent.name}/index.html"
    if text in PAGES:
        return f"{PAGES[text]}.html"
    return None if path.parts[0] == "docs" else f"files/{text}.txt"


def _rewrite(app: Sphinx, docname: str, content: list[str]) -> None:
    """Mark the links that leave the documentation's folder."""
    source = Path(app.env.doc2path(docname))
    if source.suffix == ".rst":
        return
    top = next((top for top, page in PAGES.items() if page == docname and page != "index"), None)
    if top is not None:
        source = ROOT / top
        content[0] = source.read_text(encoding="utf-8")

    def replaced(found: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / found[2]))
        if not target.is_relative_to(ROOT) or not target.exists():
            return found[0]  # which Sphinx then finds to lead nowhere
        place = on_the_site(PurePosixPath(target.relative_to(ROOT)))
        if place is not None:
            return f"{found[1]}{SCHEME}{quote(place, safe='/#')}{found[4]}"
        page = Path(os.path.relpath(target, Path(app.env.doc2path(docname)).parent)).as_posix()
        return f"{found[1]}{page}{found[3] or ''}{found[4]}"

    content[0] = LINK.sub(replaced, content[0])


def _resolve(app: Sphinx, tree: nodes.document, docname: str) -> None:
    """Make the marked links relative to their page, and name pages by their titles."""
    from docutils import nodes

    up = "../" * docname.count("/")
    for node in tree.findall(nodes.reference):
        uri = node.get("refuri", "")
        if uri.startswith(SCHEME):
            node["refuri"] = up + uri.removeprefix(SCHEME)
            node["internal"] = True
        elif node.astext().endswith(".md") and (page := _page(app, docname, uri)) is not None:
            node.clear()
            node += nodes.Text(page)


def _page(app: Sphinx, docname: str, uri: str) -> str | None:
    """The title of the page that an address within the site is of: it stands where a file's name stood."""
    place = os.path.normpath(PurePosixPath(docname).parent / uri.partition("#")[0])
    title = app.env.titles.get(place.removesuffix(".html"))
    return None if title is None or "://" in uri else title.astext()


def _copy(app: Sphinx, error: Exception | None) -> None:
    """Lay down the files that pages lead to."""
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for page in out.rglob("*.html"):
        for place in re.findall(r'href="(?:\.\./)*files/([^"#]+)\.txt"', page.read_text(encoding="utf-8")):
            target = out / "files" / f"{place}.txt"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / place, target)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _rewrite, priority=400)
    app.connect("doctree-resolved", _resolve)
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True}
