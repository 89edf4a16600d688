"""Records and comparisons from Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.small_records import bits, small_record, write

import lpa3bench
from lpa3bench.cli import main
from lpa3bench.errors import DataError, UsageError

RIGHT = {"lpa3": (8, 9, 7), "none": (6, 6, 7)}
RECORDS = [
    small_record(bits(right), seed=seed, slots={"positives": "LPA3"} if method == "lpa3" else None)
    for method, counts in RIGHT.items()
    for seed, right in enumerate(counts)
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded") / "runs"
    folder.mkdir()
    write(folder, *RECORDS, small_record(bits(5), seed=9, purpose="aid"), runs=True)
    return folder


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, lpa3bench; lpa3bench.load; lpa3bench.run; lpa3bench.compare;"
        "print({'torch', 'pandas', 'pyarrow', 'matplotlib'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr


def test_records_are_a_sequence(runs: Path) -> None:
    found = lpa3bench.load(runs)
    assert repr(found) == "<6 records of 2 cells>", "what only served a measurement is left out"
    assert [str(record) for record in found] == sorted(str(record) for record in RECORDS)
    assert (found[0].seed, len(found[1:3]), len(found)) == (0, 2, 6)
    assert len(lpa3bench.load(runs / str(RECORDS[0]), runs / "*-s1")) == 3
    assert len(lpa3bench.load("digits-supervised-lpa3", runs=runs)) == 3


def test_frames_have_a_row_a_run_or_an_epoch_or_a_cell(runs: Path) -> None:
    pytest.importorskip("pandas")
    found = lpa3bench.load(runs)
    table = found.to_pandas()
    assert table.shape[0] == 6
    assert table.groupby("cell")["accuracy.last"].mean().tolist() == pytest.approx([19 / 30, 0.8])
    assert found.curves()["test/accuracy"].tolist() == table["accuracy.last"].tolist()
    cells = found.by_cell().set_index("cell")
    assert cells.loc["digits-supervised-lpa3", "accuracy.last.mean"] == pytest.approx(0.8)
    assert cells["n"].tolist() == [3, 3]
    assert table["accuracy.mean_last_20"].isna().all()
    assert {found[:1].by_cell()["accuracy.last.sd"].dtype, table["accuracy.mean_last_20"].dtype} == {
        cells["accuracy.last.mean"].dtype
    }, "a score that no run has is a number all the same"


def test_shipped_boards_are_there_by_name() -> None:
    found = lpa3bench.load("shipped:digits/digits-fixmatch-labels40-strong.randaugment-lpa3-*")
    assert len(found) > 10
    with pytest.raises(DataError, match="there is no such board"):
        lpa3bench.load("shipped:digit")


def test_a_comparison_is_what_the_command_prints(runs: Path) -> None:
    found = lpa3bench.compare("digits-supervised-lpa3", "digits-supervised", runs=runs)
    words = ["compare", "digits-supervised-lpa3", "digits-supervised", "--from", str(runs)]
    # A notebook wraps what a pipe has in one line.
    assert CliRunner().invoke(main, words).stdout.split() == str(found).split()
    assert CliRunner().invoke(main, [*words, "--markdown"]).stdout == f"{found._repr_markdown_()}\n"
    assert json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout) == found.to_dict()
    (cell,) = found.cells
    assert cell.test.difference == pytest.approx(0.8 - 19 / 30)


def test_records_that_were_loaded_are_compared(runs: Path) -> None:
    found = lpa3bench.load(runs)
    ours = [record for record in found if record.slots]
    theirs = [record for record in found if not record.slots]
    by_name = lpa3bench.compare("digits-supervised-lpa3", "digits-supervised", runs=runs)
    assert str(lpa3bench.compare(ours, theirs)) == str(by_name)
    assert str(lpa3bench.compare(ours, found[0], metric="accuracy.oracle_best")).count("1 pair")
    with pytest.raises(UsageError, match="nothing to compare"):
        lpa3bench.compare(ours, ours)
    with pytest.raises(UsageError, match=r"^--equal-cost .*: nothing there is compared with A"):
        lpa3bench.compare(ours, theirs, equal_cost="digits-supervised", runs=runs)
