"""Rankings on short schedules, and methods at their cost, as `lpa3bench figure schedules --json` has them."""

from __future__ import annotations

import json
from typing import Any

from readme_parts.page import RESULTS, percent, table

MISSING = "Not measured yet."


def panels(name: str) -> list[Any]:
    """Of the figure called so; none where it was not drawn yet."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["panels"] if path.is_file() else []


def rankings() -> str:
    head = ["task", "schedule", "steps", "τ [95 %]", "by halves", "reference with itself", "methods, seeds"]
    rows = [
        [
            panel["title"],
            f"{of['schedule']} beside {panel['reference']}",
            f"{_multiple(panel, of['schedule']):.2g} ×",
            _with_interval(of),
            _tau(of["halves"]),
            _tau(of["ceiling"]),
            f"{len(of['methods'])}, {len(of['seeds'])}",
        ]
        for panel in panels("short_digits")
        for of in panel["agreements"]
    ]
    return table(head, rows) if rows else MISSING


def budgets() -> str:
    head = [
        "method, schedule",
        "passes, millions",
        "less the task alone, next dearer",
        "next cheaper",
        "verdict",
    ]
    blocks = []
    for panel in panels("budget_digits"):
        rows = [
            [
                f"{of['method']}, {of['schedule']}",
                f"{of['passes'] / 1e6:.2f}",
                *(_against(of[side]) for side in ("longer", "shorter")),
                of["verdict"] if of["p_holm"] is None else f"{of['verdict']} (p {of['p_holm']:.2g})",
            ]
            for of in panel["at_cost"]
        ]
        blocks.append(f"{panel['sentence']}\n\n{table(head, rows)}")
    return "\n\n".join(blocks) or MISSING


def _multiple(panel: Any, schedule: str) -> float:
    return next(of["multiple"] for of in panel["schedules"] if of["name"] == schedule)


def _with_interval(of: Any) -> str:
    interval = "" if of["low"] is None else f" [{_tau(of['low'])}, {_tau(of['high'])}]"
    return f"{_tau(of['tau'])}{interval}"


def _tau(tau: float | None) -> str:
    return "–" if tau is None else f"{tau:.2f}".replace("-", "−")


def _against(of: Any) -> str:
    """`+1.20 (budget4, 1.26 × the passes)`."""
    if of is None or of["difference"] is None:
        return "–"
    return f"{percent(of['difference'], sign=True)} ({of['schedule']}, {of['passes']:.2f} × the passes)"


PARTS = {"schedules.rankings": rankings, "schedules.budgets": budgets}
