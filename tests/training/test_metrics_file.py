"""metrics.jsonl: whole rows, safe at once, cut back to the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.errors import RunFailed
from lpa3bench.training.metrics_file import JsonLines, cut_back
from lpa3bench.training.sinks import RunInfo


def info(folder: Path, epochs_done: int = 0) -> RunInfo:
    return RunInfo(run_id="r", folder=folder, epochs=9, epochs_done=epochs_done, phases=())


def written(path: Path, rows: list[dict[str, Any]]) -> list[Any]:
    sink = JsonLines(path)
    sink.start(info(path.parent))
    for row in rows:
        sink.epoch(row)
    sink.close()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_come_back_to_the_last_bit(tmp_path: Path) -> None:
    rows = [
        {"epoch": 0, "loss": 0.1 + 0.2, "phase": "µ"},
        {"epoch": 1, "loss": 1e-300, "per_class": [0.5, 1]},
    ]
    assert written(tmp_path / "metrics.jsonl", rows) == rows


def test_what_is_not_finite_becomes_null(tmp_path: Path) -> None:
    row = {"a": float("nan"), "b": [float("inf"), 1.0], "c": {"d": float("-inf")}}
    assert written(tmp_path / "metrics.jsonl", [row]) == [{"a": None, "b": [None, 1.0], "c": {"d": None}}]


def test_a_row_can_be_read_as_soon_as_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    sink = JsonLines(path)
    sink.start(info(tmp_path))
    sink.epoch({"epoch": 0})
    assert path.read_text() == '{"epoch": 0}\n'
    sink.close()
    sink.close()


def test_a_resumed_run_appends(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    written(path, [{"epoch": 0}])
    assert written(path, [{"epoch": 1}]) == [{"epoch": 0}, {"epoch": 1}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.symlink_to("/dev/full")
    sink = JsonLines(path)
    sink.start(info(tmp_path))
    with pytest.raises(RunFailed, match=r"metrics\.jsonl: could not be written .*No space left"):
        sink.epoch({"epoch": 0})
    sink.close()


@given(rows=st.integers(0, 6), done=st.integers(0, 8), torn=st.sampled_from([b"", b'{"ep', b'{"epoch": 6}']))
def test_cutting_back_keeps_the_epochs_of_the_checkpoint(
    tmp_path_factory: pytest.TempPathFactory, rows: int, done: int, torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    lines = [b'{"epoch": %d}\n' % epoch for epoch in range(rows)]
    path.write_bytes(b"".join(lines) + torn)
    kept = cut_back(path, done)
    assert kept == min(rows, done)
    assert path.read_bytes() == b"".join(lines[:kept])
    assert [*path.parent.iterdir()] == [path]


def test_nothing_to_cut_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"{}\n{}\n")
    before = path.stat().st_ino
    assert cut_back(path, 2) == 2
    assert path.stat().st_ino == before


def test_no_file_has_no_rows(tmp_path: Path) -> None:
    assert cut_back(tmp_path / "metrics.jsonl", 3) == 0
