"""The tables of docs/schedules.md, made of what the figure's verb printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from readme_parts import schedules
from readme_parts.page import RESULTS
from support.schedule_runs import grid

from lpa3bench.boards.measures import measure_of
from lpa3bench.report.figures.schedules import schedule_panels
from lpa3bench.report.schedule_text import found_of, schedules_json
from lpa3bench.stats import rank_agreement


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both files: LP-A3 gains four points everywhere, PGD on the longest schedule alone."""
    records = grid(
        lambda augmenter, setting, seed: (
            500 + {"": 0, "LPA3": 40, "PGD": 10 if setting == "double" else -10}[augmenter] + seed % 3
        )
    )
    found, _ = schedule_panels(records, "accuracy.last")
    measure = measure_of("accuracy.last", records)
    for name in ("short_digits", "budget_digits"):
        text = schedules_json([found_of(panel, measure) for panel in found], measure, [])
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(schedules, "RESULTS", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("kept")
def test_the_tables_say_what_was_told() -> None:
    assert schedules.rankings().splitlines()[2:] == [
        "| Digits · FixMatch | short beside double | 0.25 × | 0.33 [0.33, 0.33] | 0.33 | 1.00 | 3, 8 |",
        "| Digits · FixMatch | whole beside double | 0.5 × | 0.33 [0.33, 0.33] | 0.33 | 1.00 | 3, 8 |",
    ]
    budgets = schedules.budgets()
    assert budgets.startswith(
        "Digits · FixMatch: against “weak view only” on the schedules that cost next more"
    )
    assert (
        "| LP-A3, short | 0.00 | +4.00 (double, 1.33 × the passes) | +4.00 (whole, 0.67 × the passes) | "
        "better (p 0.047) |"
    ) in budgets
    assert (
        "| PGD, double | 0.01 | – | +1.00 (double, 0.50 × the passes) | not testable (p 0.047) |" in budgets
    )


def test_what_is_missing_is_not_measured_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "RESULTS", tmp_path)
    assert schedules.rankings() == schedules.budgets() == "Not measured yet."


def test_every_tau_that_is_kept_is_that_of_the_scores_beside_it(kept: Path) -> None:
    files = [*kept.glob("*.json"), *RESULTS.glob("*_digits.json")]
    for panel in [
        panel for path in files for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]
    ]:
        scores: dict[str, dict[str, dict[int, float]]] = {}
        for method in panel["methods"]:
            for point in method["points"]:
                on: Any = scores.setdefault(point["schedule"], {})
                on[method["name"]] = {int(seed): score for seed, score in point["scores"].items()}
        for told in panel["agreements"]:
            again = rank_agreement(scores[told["schedule"]], scores[panel["reference"]])
            assert [told[name] for name in ("tau", "low", "high", "halves", "ceiling")] == pytest.approx(
                [again.tau, again.low, again.high, again.halves, again.ceiling]
            )
