"""Of the board `rivals`: LP-A3 against what stands in its own slot."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from readme_parts.measured import against, answers, outcome, row_names, run_counts, signed_score
from readme_parts.page import RESULTS, board, cells, percent, table

BOARD = "rivals"
SETTINGS = {
    "fixmatch": "FixMatch, 40 labels",
    "supervised_labels40": "Supervised, 40 labels",
    "pes50": "PES, 50 % noise",
    "pes80": "PES, 80 % noise",
}
"""Columns of the board."""
NOTHING = "–"


def scores() -> str:
    """Accuracy of each row, with its verdict against the weak view only."""

    def told(cell: Any) -> str:
        return signed_score(cell).replace(" ", "\u00a0")

    return _by_row(told, "passes", _passes)


def _passes(row: str) -> str:
    """Times those of the weak view only, by setting."""
    its = [(_cell(row, column), _cell("none", column)["passes"]) for column in SETTINGS]
    return " / ".join(f"{cell['passes'] / none:.1f}" if _runs(cell) else NOTHING for cell, none in its)


def primary() -> str:
    """LP-A3 less each rival that the primary question names."""
    (question,) = (one for one in board(BOARD)["questions"] if one["primary"])
    names, lines = row_names(BOARD), []
    for row in question["against"]:
        found = [against(_cell("lpa3", column), row) for column in SETTINGS]
        lines.append([names[row], *map(_difference, found)])
    return table(["LP-A3 less", *_heads()], lines)


def _difference(found: Any) -> str:
    if not found or found["difference"] is None:
        return NOTHING
    return f"{percent(found['difference'], sign=True)}, {outcome(found)}"


def corruptions() -> str:
    """Accuracy under the common corruptions, and the mean corruption error where the board has it."""

    def told(cell: Any) -> str:
        found = cell["other_scores"]
        accuracy, error = (found.get(f"corruptions_{key}.last") for key in ("accuracy", "mce"))
        return NOTHING if accuracy is None else percent(accuracy) + (f" ({error:.2f})" if error else "")

    return _by_row(told)


def calibration() -> str:
    """Calibration errors: as the run left it, after temperature scaling, and under corruptions."""

    def told(cell: Any) -> str:
        found = [cell["other_scores"].get(f"{key}.last") for key in ("ece", "scaled_ece", "corruptions_ece")]
        return " / ".join(NOTHING if error is None else f"{100 * error:.1f}" for error in found)

    return _by_row(told)


def views() -> str:
    """How far each row's views are from their images, and how many the network still gives the same class."""

    def told(cell: Any) -> str:
        kept = _kept(cell)
        return f"{kept['distance'][0]:.2f}, {100 * kept['same_class'][0]:.0f} %" if kept else NOTHING

    return _by_row(told)


def fast() -> str:
    """What LPA3Fast keeps of LP-A3, and at which cost."""
    lines = []
    for column, name in SETTINGS.items():
        rows = [_of_search(row, column) for row in ("lpa3", "lpa3_fast")]
        if all(rows):
            found = against(_cell("lpa3", column), "lpa3_fast")
            lines.append([name, *map(" / ".join, zip(*rows, strict=True)), _difference(found)])
    head = [
        "",
        "passes",
        "selected",
        "distance",
        "fall of log p, nats",
        "gain, points",
        "LP-A3 less LPA3Fast",
    ]
    return table(head, lines)


def _of_search(row: str, column: str) -> list[str]:
    """Empty where there are no runs, or their views were not measured."""
    cell = _cell(row, column)
    kept, gain = _kept(cell), against(cell)
    if not kept or not gain or gain["difference"] is None:
        return []
    return [
        f"{cell['passes'] / _cell('none', column)['passes']:.2f}",
        f"{100 * kept['selected'][0]:.0f} %",
        f"{kept['distance'][0]:.2f}",
        f"{kept['fall'][0]:.2f}".replace("-", "−"),
        percent(gain["difference"], sign=True),
    ]


# ------------------------------------------------------------------------------------------------- the board
def _by_row(told: Callable[[Any], str], last: str = "", more: Callable[[str], str] | None = None) -> str:
    """A line for each row with runs, of what is told of its cells."""
    lines = []
    for row, name in row_names(BOARD).items():
        its = [_cell(row, column) for column in SETTINGS]
        texts = [told(cell) if _runs(cell) else NOTHING for cell in its]
        if {*texts} != {NOTHING}:
            lines.append([name, *texts, *([more(row)] if more else [])])
    return table(["", *_heads(), *([last] if more else [])], lines)


def _heads() -> list[str]:
    """The settings, each with the number of its runs."""
    found = []
    for column, name in SETTINGS.items():
        counts = [cell["n"] for (_, key), cell in _cells().items() if key == column and cell["n"]]
        found.append(f"{name} (n {run_counts(sorted(counts))})" if counts else name)
    return found


@cache
def _cells() -> dict[tuple[str, str], Any]:
    return cells(board(BOARD))


def _cell(row: str, column: str) -> Any:
    """None where the board plans none."""
    return _cells().get((row, column))


def _runs(cell: Any) -> int:
    return cell["n"] if cell else 0


@cache
def _all_kept() -> Any:
    path = RESULTS / "kept_views.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _kept(cell: Any) -> Any:
    """What `benchmarks/kept_views.py` found of the cell's runs; None: nothing."""
    return _all_kept().get(str(cell["records"][0]).rpartition("-s")[0]) if cell["records"] else None


PARTS = {
    "rivals.answers": lambda: answers(BOARD),
    "rivals.scores": scores,
    "rivals.primary": primary,
    "rivals.corruptions": corruptions,
    "rivals.calibration": calibration,
    "rivals.views": views,
    "fast": fast,
}
