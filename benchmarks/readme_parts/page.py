"""Marks in a page, and how numbers and tables stand between them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
MADE = re.compile(r"(<!-- made ([\w.]+) -->)(.*?)(<!-- end -->)", re.DOTALL)
Parts = Mapping[str, Callable[[], str]]


def renewed(text: str, parts: Parts) -> str:
    """The page with each part made anew; nothing else is touched.

    Raises:
        ValueError: a mark names no part.
    """

    def made(found: re.Match[str]) -> str:
        if found[2] not in parts:
            raise ValueError(f"{found[1]}: there is no such part; there are {', '.join(sorted(parts))}")
        content = parts[found[2]]()
        block = f"\n\n{content}\n\n" if "\n" in content or content.startswith(("|", "- ")) else content
        return f"{found[1]}{block}{found[4]}"

    return MADE.sub(made, text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def board(name: str) -> Any:
    """What a shipped board's `board.json` holds."""
    return json.loads((ROOT / "leaderboards" / name / "board.json").read_text(encoding="utf-8"))


def cells(of: Any) -> dict[tuple[str, str], Any]:
    """A board's cells by row and column."""
    return {(cell["row"], cell["column"]): cell for cell in of["cells"]}


def percent(mean: float, std: float | None = None, *, sign: bool = False) -> str:
    """A share as `98.27 ± 0.35`, or a difference as `+1.91 ± 1.09`."""
    text = f"{100 * mean:{'+' if sign else ''}.2f}".replace("-", "−")
    text = "0.00" if text in ("+0.00", "−0.00") else text
    return text if std is None else f"{text} ± {100 * std:.2f}"


def p_value(p: float) -> str:
    """Two digits, and never 0."""
    return f"p {p:.2g}" if p >= 1e-4 else "p < 0.0001"
