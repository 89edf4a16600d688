"""Write every table of README.md and of the pages in docs/ that hold results, and the numbers in their text.

    python benchmarks/readme_tables.py [--check]

A page has a part between two comments, `<!-- made NAME -->` and `<!-- end -->`. Parts are made of
leaderboards/*/board.json, the records in leaderboards/digits/results, leaderboards/published.toml, the bits
in leaderboards/figures, and what benchmarks kept in benchmarks/results/*.json; nothing is trained, timed or
drawn. With --check nothing is written, and the exit code is 1 where a page is out of date.
"""

from __future__ import annotations

import argparse
import sys

from readme_parts import claims, measured, paper, representation, rivals, schedules, speed
from readme_parts.page import ROOT, Parts, renewed

DOCS = ("findings", "results", "paper-tables", "claims", "speed", "schedules", "representation")
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in DOCS))
PARTS: Parts = {
    **measured.PARTS,
    **rivals.PARTS,
    **schedules.PARTS,
    **representation.PARTS,
    **paper.PARTS,
    **speed.PARTS,
    **claims.PARTS,
}


def main() -> None:
    """Renew the pages, or say which are out of date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    stale = False
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        if (fresh := renewed(text, PARTS)) != text:
            stale = True
            print(path.relative_to(ROOT))
            if not options.check:
                path.write_text(fresh, encoding="utf-8")
    sys.exit(options.check and stale)


if __name__ == "__main__":
    main()
