"""`lpa3bench records`: a row for each run."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.small_records import NLL, bits, small_record, write

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
    assert head.split("  ")[0] == "run"
    assert "  accuracy, last epoch  accuracy, selected on validation  accuracy, best on test  " in head
    assert first.split()[:4] == [str(RECORDS[0]), "70.00", "–", "80.00"]
    assert second.endswith("not a result (--limit)")


def test_csv_has_every_number_and_no_formula(tmp_path: Path) -> None:
    done = call(write(tmp_path, *RECORDS), "--csv")
    first, second = csv.DictReader(io.StringIO(done.stdout))
    scores = [first[f"accuracy.{rule}"] for rule in ("last", "oracle_best", "val_selected")]
    assert (first["seed"], scores) == ("1", ["0.7", "0.8", ""])
    assert (first["positives"], first["view"], first["forward_equivalents"]) == ("LPA3", "", "1000.0")
    assert second["setting"] == "'=evil"
    assert second["is_result"] == "False"


def test_json_is_the_same(tmp_path: Path) -> None:
    rows = json.loads(call(write(tmp_path, *RECORDS), "--json").stdout)
    assert [row["seed"] for row in rows] == [1, 0]
    assert rows[0]["accuracy.last"] == 0.7
    assert rows[0]["view"] is None


def test_each_metric_stands_in_its_own_unit(tmp_path: Path) -> None:
    loss = small_record(bits(5), task="FixMatch", metric="nll", kind=NLL, earlier=[0.25], last=1.5)
    done = call(write(tmp_path, RECORDS[0], loss, small_record(bits(5), purpose="score")), "--all")
    head, fixmatch, scored, lpa3 = done.stdout.splitlines()
    assert "accuracy, best on test" in head
    assert "negative log-likelihood, best on test" in head
    assert head.index("accuracy") < head.index("negative"), "most runs select by it"
    assert fixmatch.split()[:7] == [str(loss), "–", "–", "–", "1.50", "–", "0.250"]
    assert lpa3.split()[:7] == [str(RECORDS[0]), "70.00", "–", "80.00", "–", "–", "–"]
    assert scored.endswith("not a result (score)")
    rows = json.loads(call(tmp_path, "--all", "--json").stdout)
    assert [(row.get("nll.last"), row.get("accuracy.last")) for row in rows] == [
        (1.5, None), (None, 0.5), (None, 0.7),
    ]  # fmt: skip
    first = next(csv.DictReader(io.StringIO(call(tmp_path, "--csv", "--all").stdout)))
    assert (first["nll.last"], first["accuracy.last"], first["cpu_capability"]) == ("1.5", "", "AVX2")


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    assert call(tmp_path / "nowhere").exit_code == 4
    assert call(tmp_path, "--csv", "--json").exit_code == 2
    write(tmp_path, *RECORDS)
    (tmp_path / RECORDS[0].file_name).write_text("{}")
    done = call(tmp_path)
    assert done.exit_code == 4
    assert "is no record" in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["run", str(RECORDS[1])]


def test_what_only_served_a_measurement_is_counted_and_left_out(tmp_path: Path) -> None:
    aid = small_record(bits(9), purpose="aid", name="helper")
    folder = write(tmp_path, *RECORDS, aid, runs=True)
    done = call(folder)
    assert done.exit_code == 0
    assert "helper" not in done.stdout
    assert done.stderr == "1 that only served a measurement left out; --all lists them\n"
    assert call(folder, "--all").stdout.count("not a result (aid)") == 1


def test_by_cell_says_mean_sd_and_n(tmp_path: Path) -> None:
    runs = [small_record(bits(right), seed=seed) for seed, right in ((0, 6), (1, 8))]
    done = call(write(tmp_path, *runs, RECORDS[1]), "--by", "cell")
    head, two, evil = done.stdout.splitlines()
    assert re.split("  +", head)[:3] == ["cell", "n", "accuracy, last epoch"]
    assert re.split("  +", two)[1:] == ["2", "70.00 ± 14.14", "–", "70.00 ± 14.14"]
    assert re.split("  +", evil)[1:3] == ["1", "50.00"]
    assert evil.endswith("not a result (--limit)")
    rows = json.loads(call(tmp_path, "--by", "cell", "--json").stdout)
    assert [row["n"] for row in rows] == [2, 1]


def test_curves_are_written_as_a_table(tmp_path: Path) -> None:
    write(tmp_path, *RECORDS)
    rows = [*csv.DictReader(io.StringIO(call(tmp_path, "--curves", "--csv").stdout))]
    assert [(row["seed"], row["epoch"], row["test/accuracy"]) for row in rows] == [
        ("1", "0", "0.8"), ("1", "1", "0.7"), ("0", "0", "0.5"),
    ]  # fmt: skip
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    file = tmp_path / "tables" / "curves.parquet"
    assert call(tmp_path, "--curves", "--parquet", file).stdout == f"{file}\n"
    frame = pandas.read_parquet(file)
    assert frame["test/accuracy"].tolist() == [0.8, 0.7, 0.5]
    assert frame["positives"].tolist()[:2] == ["LPA3", "LPA3"]
    assert {"run.task", "versions.torch", "accuracy.last"} <= {*frame.columns}


@pytest.mark.parametrize("words", [["--curves"], ["--curves", "--by", "cell"], ["--csv", "--parquet", "a"]])
def test_options_that_do_not_go_together(tmp_path: Path, words: list[str]) -> None:
    assert call(write(tmp_path, *RECORDS), *words).exit_code == 2
