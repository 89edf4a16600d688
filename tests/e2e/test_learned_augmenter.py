"""docs/learned-augmenter.md: an augmenter with a learned part, from an empty folder to a compared board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.executed_page import own_environment, run_page

from lpa3bench.records import read_record


@pytest.mark.long
@pytest.mark.slow
def test_every_command_runs(tmp_path: Path) -> None:
    environment, folder = own_environment(tmp_path / "environment"), tmp_path / "here"
    folder.mkdir()
    outputs = run_page("learned-augmenter.md", environment, folder)
    assert "Adds a change that a small generator makes" in outputs["lpa3bench list HardTint"]
    laws = outputs["lpa3bench test-plugin HardTint"]
    assert "FAILED" not in laws
    assert "passed          resume" in laws

    assert outputs["lpa3bench suite tint.gin"].splitlines()[-1] == "9 of 9 runs are done"
    learned = [read_record(path) for path in folder.glob("runs/*hardtint*/result.json")]
    assert sorted(record.seed for record in learned) == [0, 1, 2]
    for record in learned:
        losses = [row["view/loss"] for row in record.curve]
        assert len({*losses}) == len(losses) == 3, "the generator's loss is logged"
        assert record.data.cost.passes["view/search"].backward_image > 0, "its passes are counted"

    compared = next(text for line, text in outputs.items() if line.startswith("lpa3bench compare"))
    assert "3 seeds" in compared
    board = json.loads((folder / "board" / "board.json").read_text())
    assert len(board["rows"]) == 3

    (variant,) = folder.glob("runs/*boldertint*")
    (copied,) = variant.glob("plugins/*-bolder")
    assert {path.name for path in copied.rglob("*.py")} >= {"bolder.py", "augmenter.py"}, "and what it runs"
    assert (variant / "export" / "model.safetensors").is_file()
