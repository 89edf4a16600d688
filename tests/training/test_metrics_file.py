"""metrics.jsonl: whole rows, safe at once, those of the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lpa3bench.errors import DataError, RunFailed
from lpa3bench.training.metrics_file import JsonLines, metrics_text, read_rows, restore
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


@settings(max_examples=40)
@given(
    rows=st.integers(0, 6),
    done=st.integers(0, 8),
    tail=st.sampled_from([b"", b'{"ep', b'{"epoch": 6}']),
    flipped=st.integers(-1, 60),
)
def test_going_on_the_file_holds_the_epochs_of_the_checkpoint(
    tmp_path_factory: pytest.TempPathFactory, rows: int, done: int, tail: bytes, flipped: int
) -> None:
    """Whatever came after it, or was lost, torn or damaged since."""
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    lines = [b'{"epoch": %d, "loss": 0.%d5}\n' % (epoch, epoch) for epoch in range(8)]
    content = bytearray(b"".join(lines[:rows]) + tail)
    if 0 <= flipped < len(content):
        content[flipped] ^= 4
    path.write_bytes(content)
    restore(path, CURVE[:done])
    assert path.read_bytes() == b"".join(lines[:done])
    assert [*path.parent.iterdir()] == [path]


CURVE = [{"epoch": epoch, "loss": float(f"0.{epoch}5"), "seconds": 1.5} for epoch in range(8)]


def test_what_is_as_it_should_be_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    written(path, [{"epoch": 0, "loss": float("nan")}, {"epoch": 1, "loss": 0.1 + 0.2}])
    before, content = path.stat().st_ino, path.read_text()
    curve = [
        {"epoch": 0, "loss": float("nan"), "seconds": 1.0}, {"epoch": 1, "loss": 0.1 + 0.2, "seconds": 2.0}
    ]  # fmt: skip
    restore(path, curve)
    assert path.stat().st_ino == before
    assert metrics_text(curve) == content


def test_where_no_epoch_is_done_there_need_be_no_file(tmp_path: Path) -> None:
    restore(tmp_path / "metrics.jsonl", [])
    assert [*tmp_path.iterdir()] == []


def test_rows_of_a_run_under_way(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_rows(path) == []
    path.write_text('{"epoch": 0}\n{"epoch": 1, "loss": null}\n{"epo')
    assert read_rows(path) == [{"epoch": 0}, {"epoch": 1, "loss": None}]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[" * 100_000, "damaged"),
        ('{"epoch": ' + "[" * 100_000, "damaged"),
        ("[]", "damaged .Expected `object`, got `array`"),
        ("{}", "damaged .line 2 is not that of epoch 1"),
        ('{"epoch": 2}', "damaged .line 2 is not that of epoch 1"),
        ('{"epoch": 1, "loss": 1e999}', "damaged .Number out of range"),
        ('{"epoch": 1, "loss": NaN}', "damaged .JSON is malformed"),
        (r'{"epoch": 1, "a": "\ud800"}', "damaged .Input data was truncated"),
    ],
)
def test_what_is_no_row_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 0}\n' + line + "\n")
    with pytest.raises(DataError, match=rf"metrics\.jsonl: {says}") as caught:
        read_rows(path)
    assert len(str(caught.value)) < 500
