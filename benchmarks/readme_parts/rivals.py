"""Of the board `rivals`: LP-A3 against what stands in its own slot."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from readme_parts.measured import against, answers, outcome, row_names, signed_score
from readme_parts.page import RESULTS, board, cells, percent, table

BOARD = "rivals"
SETTINGS = {
    "fixmatch": "FixMatch, 40 labels",
    "supervised_labels40": "Supervised, 40 labels",
    "pes50": "PES, 50 % noise",
    "pes80": "PES, 80 % noise",
}
"""Columns of the board."""


def scores() -> str:
    """Accuracy of each row, with its verdict against the weak view only."""
    lines = []
    for row, name in _measured_rows().items():
        its = [_cell(row, column) for column in SETTINGS]
        passes = [cell["passes"] / _cell("none", cell["column"])["passes"] for cell in its]
        told = [signed_score(cell).replace(" ", "\u00a0") for cell in its]
        lines.append([name, *told, " / ".join(f"{ratio:.1f}" for ratio in passes)])
    return table(["", *SETTINGS.values(), "passes"], lines)


def primary() -> str:
    """LP-A3 less each rival that the primary question names."""
    (question,) = (one for one in board(BOARD)["questions"] if one["primary"])
    names, lines = row_names(BOARD), []
    for row in question["against"]:
        found = [against(_cell("lpa3", column), row) for column in SETTINGS]
        told = [f"{percent(one['difference'], sign=True)}, {outcome(one)}" for one in found]
        lines.append([names[row], *told])
    return table(["LP-A3 less", *SETTINGS.values()], lines)


def corruptions() -> str:
    """Accuracy under the common corruptions, and the mean corruption error where the board has it."""
    lines = []
    for row, name in _measured_rows().items():
        line = [name]
        for column in SETTINGS:
            found = _cell(row, column)["other_scores"]
            error = found.get("corruptions_mce.last")
            line.append(
                percent(found["corruptions_accuracy.last"]) + (f" ({error:.2f})" if error is not None else "")
            )
        lines.append(line)
    return table(["", *SETTINGS.values()], lines)


def calibration() -> str:
    """Calibration errors: as the run left it, after temperature scaling, and under corruptions."""
    lines = []
    for row, name in _measured_rows().items():
        line = [name]
        for column in SETTINGS:
            found = _cell(row, column)["other_scores"]
            keys = ("ece.last", "scaled_ece.last", "corruptions_ece.last")
            line.append(" / ".join(f"{100 * found[key]:.1f}" for key in keys))
        lines.append(line)
    return table(["", *SETTINGS.values()], lines)


def views() -> str:
    """How far each row's views are from their images, and how many the network still gives the same class."""
    lines = []
    for row, name in _measured_rows().items():
        kept = [_kept(row, column) for column in SETTINGS]
        if all(kept):
            told = [f"{one['distance'][0]:.2f}, {100 * one['same_class'][0]:.0f} %" for one in kept]
            lines.append([name, *told])
    return table(["", *SETTINGS.values()], lines)


def fast() -> str:
    """What LPA3Fast keeps of LP-A3, and at which cost."""
    lines = []
    for column, name in SETTINGS.items():
        rows = {row: (_cell(row, column), _kept(row, column)) for row in ("lpa3", "lpa3_fast")}
        none = _cell("none", column)["passes"]
        line = [name]
        for number in (
            lambda cell, kept: f"{cell['passes'] / none:.2f}",
            lambda cell, kept: f"{100 * kept['selected'][0]:.0f} %",
            lambda cell, kept: f"{kept['distance'][0]:.2f}",
            lambda cell, kept: f"{kept['fall'][0]:.2f}".replace("-", "−"),
            lambda cell, kept: percent(against(cell)["difference"], sign=True),
        ):
            line.append(" / ".join(number(*both) for both in rows.values()))
        lines.append([*line, outcome(against(_cell("lpa3", column), "lpa3_fast"))])
    head = ["LP-A3 / LPA3Fast", "passes", "selected", "distance", "fall of log p, nats", "gain, points"]
    return table([*head, "LP-A3 against LPA3Fast"], lines)


@cache
def _cells() -> dict[tuple[str, str], Any]:
    return cells(board(BOARD))


def _cell(row: str, column: str) -> Any:
    return _cells()[row, column]


def _measured_rows() -> dict[str, str]:
    """Rows with runs in every setting."""
    return {
        row: name
        for row, name in row_names(BOARD).items()
        if all(_cells().get((row, column), {}).get("n") for column in SETTINGS)
    }


@cache
def _all_kept() -> Any:
    return json.loads((RESULTS / "kept_views.json").read_text(encoding="utf-8"))


def _kept(row: str, column: str) -> Any:
    """What `benchmarks/kept_views.py` found of the cell's runs; None: they have no views of their own."""
    return _all_kept().get(str(_cell(row, column)["records"][0]).rpartition("-s")[0])


PARTS = {
    "rivals.answers": lambda: answers(BOARD),
    "rivals.scores": scores,
    "rivals.primary": primary,
    "rivals.corruptions": corruptions,
    "rivals.calibration": calibration,
    "rivals.views": views,
    "fast": fast,
}
