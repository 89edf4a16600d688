"""Whether every link within a built site leads somewhere: `python docs/site/check_links.py DIR`."""

from __future__ import annotations

import os
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Its ids, and the addresses that it links to or loads from."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value is not None}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if "href" in given:
            (self.loads if tag == "link" else self.links).add(given["href"])
        if "src" in given:
            self.loads.add(given["src"])


@cache
def page_of(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def dead_links(site: Path) -> list[str]:
    """`PAGE: ADDRESS` of each that leads nowhere within the site, and of each load from outside of it."""
    site = site.resolve()
    dead = []
    for path in sorted(site.rglob("*.html")):
        page = page_of(path)
        for address in sorted(page.links | page.loads):
            scheme, host, place, _, anchor = urlsplit(address)
            if scheme or host:
                ok = address not in page.loads or scheme == "data"
            else:
                ok = _is_there(site, path, unquote(place), unquote(anchor))
            if not ok:
                dead.append(f"{path.relative_to(site)}: {address}")
    return dead


def _is_there(site: Path, page: Path, place: str, anchor: str) -> bool:
    target = Path(os.path.normpath(page.parent / place)) if place else page
    if not target.is_relative_to(site) or not target.is_file():
        return False
    return not anchor or target.suffix != ".html" or anchor in page_of(target).ids


if __name__ == "__main__":
    found = dead_links(Path(sys.argv[1]))
    print("\n".join(found) or "every link leads somewhere")
    sys.exit(bool(found))
