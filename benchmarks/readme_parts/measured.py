"""Of the boards that were measured here: digits, FashionMNIST, and whether each task learns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import msgspec

from lpa3bench.boards.comparison import CellComparison, compare
from lpa3bench.boards.selection import select
from lpa3bench.report.answer import question_answer
from lpa3bench.report.board_json import BoardFile
from lpa3bench.report.table_text import VERDICT_SIGNS
from readme_parts.page import ROOT, board, cells, p_value, percent, table

ROWS = ("none", "lpa3", "randaugment_positives", "identity", "noise", "equal_cost")
DIGITS = {"supervised": "Supervised", "fixmatch": "FixMatch, 40 labels", "pes": "PES, 50 % noise"}
FASHION = {"fixmatch": "FixMatch, 100 labels", "pes": "PES, 50 % noise"}
LEARNS = {
    "fixmatch": ("FixMatch, 40 labels", "supervised_labels40"),
    "dividemix": ("DivideMix, 50 % noise", "supervised_sym50"),
    "pes": ("PES, 50 % noise", "supervised_sym50"),
    "mixup": ("Mixup, 50 % noise", "supervised_sym50"),
    "pcorrection": ("PCorrection, 50 % noise", "supervised_sym50"),
    "mcorrection": ("MCorrection, 50 % noise", "supervised_sym50"),
}
"""Column of a task on the board, what it is, and the column of cross-entropy on the same labels."""
CLAIMED = ("better", "worse")
RIVALS = ("randaugment_positives", "identity", "noise", "equal_cost")


# ---------------------------------------------------------------------------------------------------- tables
def digits() -> str:
    return _against_none("digits", DIGITS, ROWS, passes=True)


def few_digits() -> str:
    """The rows that the README's reader asks for first, each with its verdict against the weak view only."""
    of, names = cells(board("digits")), row_names("digits")
    lines = []
    for row in ROWS:
        its = [of[row, column] for column in DIGITS]
        passes = " / ".join(f"{cell['passes'] / of['none', cell['column']]['passes']:.1f}" for cell in its)
        numbers = [signed_score(cell) for cell in its]
        numbers += [_counts(cell["n"] for cell in its), passes]
        lines.append([names[row], *(number.replace(" ", "\u00a0") for number in numbers)])
    return table(["", *DIGITS.values(), "n", "passes"], lines)


def signed_score(cell: Any) -> str:
    """Mean, spread, and the sign of its verdict against the weak view only, where the board compares them."""
    found = against(cell)
    sign = f" {VERDICT_SIGNS[found['verdict']]}" if found else ""
    return f"{percent(cell['mean'], cell['std'])}{sign}"


def fashion() -> str:
    return _against_none("fashion_mini", FASHION, ["none", "lpa3", "equal_cost"])


def _against_none(name: str, columns: dict[str, str], rows: Sequence[str], *, passes: bool = False) -> str:
    of, names = cells(board(name)), row_names(name)
    lines = []
    for row in rows:
        its = [of[row, column] for column in columns]
        line = [names[row], *(_score(cell) for cell in its), _counts(cell["n"] for cell in its)]
        if passes:
            ratios = (of[row, c]["passes"] / of["none", c]["passes"] for c in columns)
            line.append(" / ".join(f"{ratio:.1f}" for ratio in ratios))
        lines.append(line)
    more = ["passes, times those of the weak view only"] if passes else []
    return table(["", *columns.values(), "n", *more], lines)


def row_names(name: str) -> dict[str, str]:
    """What a board calls its rows, by key."""
    return {row["key"]: row["name"] for row in board(name)["rows"]}


def against(cell: Any, other: str = "none") -> Any:
    """The board's comparison of the cell's row with another one in its column; None: it makes none."""
    return next((found for found in cell["comparisons"] if found["baseline"] == other), None)


def _score(cell: Any) -> str:
    score, found = percent(cell["mean"], cell["std"]), against(cell)
    if not found or found["difference"] is None:
        return score
    difference = percent(found["difference"], found["std"], sign=True)
    return f"{score} ({f'**{difference}**' if found['verdict'] in CLAIMED else difference})"


def _counts(numbers: Any) -> str:
    return " / ".join(str(n) for n, _ in groupby(numbers))


def learns() -> str:
    """Each task against cross-entropy on the same labels, over the seeds that both have."""
    of = cells(board("digits"))
    lines = []
    for column, (name, plain) in LEARNS.items():
        task, other = of["none", column], of["none", plain]
        scores, others = (dict(zip(c["seeds"], c["scores"], strict=True)) for c in (task, other))
        seeds = sorted(scores.keys() & others.keys())
        differences = [scores[seed] - others[seed] for seed in seeds]
        lines.append(
            [
                name,
                percent(task["mean"], task["std"]),
                _over([others[seed] for seed in seeds]),
                percent(fmean(differences), stdev(differences), sign=True),
                str(len(seeds)),
                f"{task['seconds']:.1f}",
                f"{task['passes'] / 1e3:,.0f} k",
                f"{other['passes'] / 1e3:,.0f} k",
            ]
        )
    head = ["task", "last epoch, % of the test set", "cross-entropy", "difference, paired", "n", "seconds"]
    return table([*head, "forward equivalents", "those of cross-entropy"], lines)


def _over(scores: list[float]) -> str:
    return percent(fmean(scores), stdev(scores))


# ------------------------------------------------------------------------------------------------- sentences
def verdicts() -> str:
    """Which rows are shown to differ from the weak view alone, and by the correction over what."""
    of = board("digits")
    by_place, names = cells(of), row_names("digits")
    told = []
    for column, name in DIGITS.items():
        for verdict in CLAIMED:
            rows = [
                f"{names[row]} ({percent(found['difference'], sign=True)})"
                for row in ROWS
                if (found := against(by_place[row, column])) and found["verdict"] == verdict
            ]
            if rows:
                told.append(f"{name}: {verdict} with {', '.join(rows)}")
    return f"Shown against the weak view only: {'; '.join(told) or 'nothing'}."


def answers(name: str) -> str:
    """What a board's questions come to, in its own sentences."""
    text = (ROOT / "leaderboards" / name / "board.json").read_bytes()
    of = msgspec.json.decode(text, type=BoardFile)
    return " ".join(question_answer(of, question) for question in of.questions)


def correction() -> str:
    """The board's own sentences on its tests."""
    return " ".join(note for note in board("digits")["notes"] if "correction" in note)


@cache
def single(row: str, other: str, column: str) -> CellComparison:
    """LP-A3 and the like on digits, by `lpa3bench compare` on the records of two cells."""
    of = cells(board("digits"))
    sides = [select(f"shipped:digits/{_cell_name(of[key, column])}", Path("runs")) for key in (row, other)]
    return compare(*sides).cells[0]


def _cell_name(cell: Any) -> str:
    """With its hash: the name of its records without the seed."""
    return str(cell["records"][0]).rpartition("-s")[0]


def rivals() -> str:
    """LP-A3 on FixMatch less each of the controls, as the board compares them."""
    cell, names = cells(board("digits"))["lpa3", "fixmatch"], row_names("digits")
    told = []
    for row in RIVALS:
        found = against(cell, row)
        told.append(f"{names[row]} {percent(found['difference'], sign=True)}, {outcome(found)}")
    return f"LP-A3 on FixMatch less {'; less '.join(told)}."


def outcome(of: Any) -> str:
    """Verdict, and p after the board's correction: `worse (p 0.018)`."""
    return of["verdict"] if of["p_holm"] is None else f"{of['verdict']} ({p_value(of['p_holm'])})"


def other_images() -> str:
    """How far LP-A3's differences could be off with other test images too."""
    told = []
    for column, name in DIGITS.items():
        found = single("lpa3", "none", column).seeds_and_images
        assert found
        low, high = (percent(bound, sign=True) for bound in (found.low, found.high))
        told.append(f"{name} {percent(found.difference, sign=True)} [{low}, {high}]")
    return "; ".join(told)


PARTS = {
    "digits": digits,
    "digits.small": few_digits,
    "fashion": fashion,
    "learns": learns,
    "digits.answers": lambda: answers("digits"),
    "digits.verdicts": verdicts,
    "digits.correction": correction,
    "digits.rivals": rivals,
    "digits.other_images": other_images,
}
