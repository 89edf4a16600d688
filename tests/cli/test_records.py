"""`lpa3bench records`: a row for each run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from click.testing import CliRunner, Result
from support.small_records import bits, small_record, write

from lpa3bench.cli import main

RECORDS = [
    small_record(bits(7), seed=1, earlier=[0.8], slots={"positives": "LPA3"}),
    small_record(bits(5), seed=0, setting="=evil", limit=64, name="evil"),
]


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["records", *map(str, words)])


def test_a_row_for_each_run(tmp_path: Path) -> None:
    done = call(write(tmp_path, *RECORDS, runs=True))
    assert done.exit_code == 0
    head, first, second = done.stdout.splitlines()
    assert head.split()[:3] == ["run", "last", "selected"]
    assert first.split()[:4] == ["digits-supervised-lpa3-00000000-s1", "70.00", "–", "80.00"]
    assert second.endswith("not a result (--limit)")


def test_csv_has_every_number_and_no_formula(tmp_path: Path) -> None:
    done = call(write(tmp_path, *RECORDS), "--csv")
    first, second = csv.DictReader(io.StringIO(done.stdout))
    assert (first["seed"], first["last"], first["oracle_best"], first["val_selected"]) == (
        "1",
        "0.7",
        "0.8",
        "",
    )
    assert (first["positives"], first["view"], first["forward_equivalents"]) == ("LPA3", "", "1000.0")
    assert second["setting"] == "'=evil"
    assert second["is_result"] == "False"


def test_json_is_the_same(tmp_path: Path) -> None:
    rows = json.loads(call(write(tmp_path, *RECORDS), "--json").stdout)
    assert [row["seed"] for row in rows] == [1, 0]
    assert rows[0]["last"] == 0.7
    assert rows[0]["view"] is None


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    assert call(tmp_path / "nowhere").exit_code == 4
    assert call(tmp_path, "--csv", "--json").exit_code == 2
    write(tmp_path, *RECORDS)
    (tmp_path / RECORDS[0].file_name).write_text("{}")
    done = call(tmp_path)
    assert done.exit_code == 4
    assert "is no record" in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["run", str(RECORDS[1])]
