"""Write the published numbers that README.md and docs/ quote, from leaderboards/published.toml.

    python benchmarks/quote_published.py [--check]

A page quotes numbers between two comments, `<!-- published KEY: COLUMN … -->` and `<!-- end -->`. KEY is a
row of the data file, and columns may have shell wildcards. Nothing else is touched. With --check nothing is
written, and the exit code is 1 where a page is out of date.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from lpa3bench.boards.published import PUBLISHED_NAME, PublishedRows, load_published, quote

ROOT = Path(__file__).resolve().parents[1]
QUOTED = re.compile(r"(<!-- published ([^>]+) -->)(.*?)(<!-- end -->)")


def renewed(text: str, rows: PublishedRows) -> str:
    """The page with the numbers of the data file between its comments.

    Raises:
        ValueError: a comment names no row or no column.
    """
    return QUOTED.sub(lambda found: f"{found[1]}{quote(rows, found[2], ' / ')}{found[4]}", text)


def main() -> None:
    """Renew the pages, or say which are out of date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    rows = load_published(ROOT / "leaderboards" / PUBLISHED_NAME)
    stale = False
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        if (fresh := renewed(text, rows)) != text:
            stale = True
            print(path.relative_to(ROOT))
            if not options.check:
                path.write_text(fresh, encoding="utf-8")
    sys.exit(options.check and stale)


if __name__ == "__main__":
    main()
