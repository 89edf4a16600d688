"""Tidy tables: every column is documented, has one type, and says what the record says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from support.small_records import NLL, bits, small_record

from lpa3bench.errors import UsageError
from lpa3bench.records.columns import (
    CURVE_COLUMNS,
    CURVE_FAMILIES,
    FAMILIES,
    RUN_COLUMNS,
    curve_columns,
    run_columns,
    run_row,
)
from lpa3bench.records.frames import data_frame, write_parquet

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
RECORDS = [
    small_record(
        bits(7),
        seed=1,
        earlier=[0.5],
        slots={"positives": "LPA3"},
        config={"positives/LPA3.margin": "0.02", "Digits.split": "0", "Digits.mean": "(0.3,)"},
    ),
    small_record(bits(5), seed=2, metric="nll", kind=NLL, last=1.5, config={"Digits.split": "'a'"}),
]
PATTERNS = {
    "<metric>.<rule>": r"[a-z0-9_]+\.[a-z0-9_]+",
    "<Plugin>.<parameter>": r"([\w.-]+/)*([A-Z]\w*|run)\.\w+",
    "versions.<library>": r"versions\.[\w-]+",
    "plugins.<Plugin>": r"plugins\.\w+",
    "plugin_sources.<Plugin>": r"plugin_sources\.\w+",
    "<split>/<metric>": r"(val|test)/[a-z0-9_]+",
    "<logged>": r"[a-z_]+(/[a-z_]+)*",
    "log/<logged>": r"log/[a-z_]+",
}


def test_the_page_documents_every_column() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == {**RUN_COLUMNS, **FAMILIES, **CURVE_COLUMNS, **CURVE_FAMILIES}


@pytest.mark.parametrize("record", RECORDS)
def test_the_documented_columns_are_the_columns(record: object) -> None:
    row = run_row(record)  # type: ignore[arg-type]
    fixed = [name for name in row if name in RUN_COLUMNS]
    assert fixed == [*RUN_COLUMNS], "all of them, in the order of the page"
    others = [name for name in row if name not in RUN_COLUMNS]
    assert [n for n in others if not any(re.fullmatch(PATTERNS[family], n) for family in FAMILIES)] == []
    curve = curve_columns([record])  # type: ignore[list-item]
    assert {*CURVE_COLUMNS} <= {*curve}
    strange = [n for n in curve if n not in row and n not in CURVE_COLUMNS]
    assert [n for n in strange if not any(re.fullmatch(PATTERNS[f], n) for f in CURVE_FAMILIES)] == []


def test_values_are_numbers_where_they_are_numbers() -> None:
    columns = run_columns(RECORDS)
    assert columns["positives/LPA3.margin"] == [0.02, None]
    assert columns["Digits.split"] == ["0", "a"], "one type a column"
    assert columns["Digits.mean"] == ["(0.3,)", None]
    assert columns["run.epochs"] == [2, 1]
    assert columns["run.task"] == ["@tasks.Supervised()"] * 2
    assert columns["run.view"] == [None, None]
    assert columns["accuracy.last"] == [0.7, None]
    assert columns["nll.last"] == [None, 1.5]
    assert columns["positives"] == ["LPA3", None]


def test_a_row_a_run_and_epoch() -> None:
    columns = curve_columns(RECORDS)
    assert columns["run"] == [str(RECORDS[0])] * 2 + [str(RECORDS[1])]
    assert columns["epoch"] == [0, 1, 0]
    assert columns["test/accuracy"] == [0.5, 0.7, None]
    assert columns["loss"] == [1.0, 0.5, 1.0]
    assert columns["seed"] == [1, 1, 2]
    assert columns["positives/LPA3.margin"] == [0.02, 0.02, None]
    assert {len(values) for values in columns.values()} == {3}
    assert curve_columns([]) == {}


def test_what_a_run_logs_hides_no_column_of_the_run() -> None:
    record = small_record(bits(5))
    for row in record.curve:
        row["seed"] = 9.0  # type: ignore[index]
    columns = curve_columns([record])
    assert (columns["seed"], columns["log/seed"]) == ([0], [9.0])


def test_frames_and_parquet_files_hold_the_same(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    columns = curve_columns(RECORDS)
    frame = data_frame(columns)
    assert [*frame.columns] == [*columns]
    assert str(frame["test/accuracy"].dtype) == "float64"
    write_parquet(tmp_path / "new" / "curves.parquet", columns)
    again = pandas.read_parquet(tmp_path / "new" / "curves.parquet")
    assert [*again.columns] == [*columns]
    assert again["test/accuracy"].tolist()[:2] == [0.5, 0.7]
    assert again["epoch"].tolist() == [0, 1, 0]
    assert again["gpu_name"].isna().all()
    assert [*(tmp_path / "new").iterdir()] == [tmp_path / "new" / "curves.parquet"]


@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_a_library_that_is_missing_is_told_in_one_line(
    library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=rf"^this takes {library}: pip install 'lpa3bench\[data\]'$"):
        data_frame({}) if library == "pandas" else write_parquet(tmp_path / "a.parquet", {})
