"""Text and tables in Markdown, as GitHub shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lpa3bench.report.table_blocks import TextBlock, blocks, unbroken_words
from lpa3bench.report.table_text import TextCell, TextTable

SPECIAL_MARKDOWN = re.compile(r"[\\`*_\[\]|~$]|^[-+#](?=\s|#|$)|^\d+(?=[.)]\s)")
"""What Markdown takes for its own: some signs anywhere, some at the beginning of a block."""
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
NO_BREAK = "\u00a0"
PAGE_PX = 950
"""What a table may take of GitHub's page without a bar to scroll it by."""
PADDING_PX = 27
"""Of a column: 13 on each side, and the rule."""
SAFETY = 1.05
"""Over `text_units`, for bold and for fonts that are wider than Helvetica."""
EM_PX = 16


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, on one line and in one cell of a table."""
    plain = " ".join(text.split())
    for sign, entity in ENTITIES.items():
        plain = plain.replace(sign, entity)
    return SPECIAL_MARKDOWN.sub(
        lambda match: f"\\{match[0]}" if not match[0].isdigit() else f"{match[0]}\\", plain
    )


def unbroken(text: str) -> str:
    """The text with spaces at which no line ends."""
    return text.replace(" ", NO_BREAK)


def markdown_tables(table: TextTable) -> str:
    """The table; where it is wider than the page, one below the other, split between tasks if possible.

    Nothing breaks within a number and its deviation; the best of each column is bold.
    """
    return "\n\n".join(
        _table(block) for block in blocks(table, PAGE_PX / EM_PX / SAFETY, PADDING_PX / EM_PX / SAFETY)
    )


def markdown_row(cells: Sequence[str]) -> str:
    """A line of a table, of cells that are escaped."""
    return f"| {' | '.join(cells)} |"


def _table(block: TextBlock) -> str:
    with_origin = any(line.origin for line in block.lines)
    heads = [
        " ".join(
            [*(unbroken(escape_markdown(word)) for word in unbroken_words(head.name)), unbroken(head.of_all)]
        ).strip()
        for head in block.heads
    ]
    titles = ["", *([""] if with_origin else []), *heads]
    rows = []
    group = ""
    for line in block.lines:
        if line.group != group:
            group = line.group
            rows.append(
                markdown_row([f"**{escape_markdown(group)}**" if group else "", *[""] * (len(titles) - 1)])
            )
        origin = [escape_markdown(line.origin)] if with_origin else []
        rows.append(markdown_row([escape_markdown(line.name), *origin, *map(_cell, line.cells)]))
    rule = "| --- " * (1 + with_origin) + "| ---: " * len(heads) + "|"
    return "\n".join((markdown_row(titles), rule, *rows))


def _cell(cell: TextCell | None) -> str:
    if cell is None:
        return ""
    number = unbroken(escape_markdown(cell.number))
    first = f"**{number}**" if cell.best else number
    more = f"{NO_BREAK}{unbroken(escape_markdown(cell.more))}" if cell.more else ""
    below = "".join(f"<br>{unbroken(escape_markdown(line))}" for line in cell.below)
    return f"{first}{more}{below}"
