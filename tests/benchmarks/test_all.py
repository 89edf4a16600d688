"""Every benchmark of speed can be run by name, and what it keeps is shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import all as every
import attack as loop
import pytest
import timing
import torch
from readme_parts import speed


def run(monkeypatch: pytest.MonkeyPatch, *words: str, code: int = 0) -> tuple[int, list[list[str]]]:
    """The exit code, and the lines that were run."""
    lines: list[list[str]] = []

    def noted(line: list[str], **_: Any) -> SimpleNamespace:
        lines.append([Path(line[1]).name, *line[2:]])
        return SimpleNamespace(returncode=code if "views.py" in line[1] else 0)

    monkeypatch.setattr(subprocess, "run", noted)
    monkeypatch.setattr(sys, "argv", ["all.py", *words])
    return every.main(), lines


def test_all_are_run_and_kept_and_the_page_made(monkeypatch: pytest.MonkeyPatch) -> None:
    code, lines = run(monkeypatch)
    assert code == 0
    assert lines == [*([program, "--keep"] for program, _ in every.PROGRAMS.values()), ["readme_tables.py"]]
    assert all((every.HERE / program).is_file() for program, _ in every.PROGRAMS.values())


def test_one_that_fails_keeps_no_other_from_running(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "views", "step", code=1) == (
        1,
        [["views.py", "--keep"], ["step.py", "--keep"], ["readme_tables.py"]],
    )


def test_short_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "boards", "--short") == (0, [["boards.py", "--rounds", "1", "--times", "1"]])


@pytest.mark.parametrize(("options", "code"), [("", 1), (every.PROGRAMS["loop"][1], 0)])
def test_short_misses_no_aim(monkeypatch: pytest.MonkeyPatch, options: str, code: int) -> None:
    """At other batches and numbers of iterations small calls have another share."""
    monkeypatch.setattr(loop, "compare", lambda *_: {"ratio": 9.0})
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["attack.py", "--net", "smallnet", *options.split()])
    assert loop.main() == code


def test_ratios_are_of_medians_and_spreads_of_rounds() -> None:
    assert timing.compared([2.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == (2.0, 2.0, 3.0, 3)
    assert timing.against([1.0, 3.0], 2.0) == (1.0, 0.5, 1.5, 2)


def test_what_was_kept_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"ratio": 0.5, "low": 0.25, "high": 0.75, "n": 3, "goal": 1}
    kept = {
        "start list": found,
        "board_of_372": {**found, "seconds": 2.0, "mebibytes": 99.6},
        "views_64x28x28x1": {"pillow": found, "kornia": found, "images_a_second": 12_300.0},
        "layout_smallnet": {"step": found, "search": {**found, "ratio": 1.5}, "batch": 64, "iterations": 2},
    }
    monkeypatch.setattr(speed, "kept", lambda: kept)
    assert speed.start().splitlines()[2:] == ["| `list` | 0.50 (0.25 to 0.75, n = 3) | ≤ 1 |"]
    assert speed.boards().splitlines()[2].startswith("| 372 records: 2.0 s, 100 MiB | 0.50 (")
    assert speed.layouts().splitlines()[2:] == [
        "| SmallNet, 8×8 digits | 64 | 2 | 0.50 (0.25 to 0.75, n = 3) | 1.50 (0.25 to 0.75, n = 3) |"
    ]
    row = speed.views().splitlines()[2].split(" | ")
    assert row[0] == "| 64x28x28x1"
    assert row[1] == row[3] == "0.50 (0.25 to 0.75, n = 3), goal 1"
    assert row[2:5:2] == ["", "12,300 |"]


def test_a_measurement_takes_the_place_of_its_own_kind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(timing, "SPEED", tmp_path / "speed.json")
    timing.SPEED.write_text('{"a": {"ratio": 1}, "b": {"ratio": 2}}')
    timing.keep(b={"ratio": 3})
    known = json.loads(timing.SPEED.read_text())
    assert known["a"] == {"ratio": 1}
    assert known["b"]["ratio"] == 3
    assert "one thread of" in known["b"]["machine"]
