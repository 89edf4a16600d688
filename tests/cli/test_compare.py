"""`lpa3bench compare`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.console import Cli
from support.small_records import bits, small_record, write

from lpa3bench.boards import selection as selecting
from lpa3bench.cli import main


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three seeds of a method that is better in each, and its baseline."""
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        plain = small_record(bits(5), seed=seed)
        lpa3 = small_record(bits(7), seed=seed, slots={"positives": "LPA3"})
        write(tmp_path / "runs", plain, lpa3, runs=True)
    return tmp_path / "runs"


def compared(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("method", "baseline"),
    [
        ("digits-supervised-lpa3", "digits-supervised"),
        ("runs/digits-supervised-lpa3", "runs/digits-supervised-0*"),
        ("runs/*-lpa3-*", "runs"),
    ],
)
def test_methods_are_called_in_many_ways(runs: Path, method: str, baseline: str) -> None:
    done = compared(method, baseline)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("A digits-supervised-lpa3-00000000 against B digits-supervised-00000000\n")
    assert "not testable: 3 pairs allow no p below 0.25" in done.stdout
    assert done.stderr == ""


def test_the_real_command_warns_of_nothing(cli: Cli, runs: Path) -> None:
    done = cli(
        "compare", "digits-supervised-lpa3", "digits-supervised", "--from", runs, "--json",
        env={"PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert data["cells"][0]["test"]["verdict"] == "not testable"
    assert data["cells"][0]["test"]["smallest_p"] == 0.25


def test_the_metric_is_chosen(runs: Path) -> None:
    assert (
        "best on test: 70.00"
        in compared("digits-supervised-lpa3", "digits-supervised", "--metric", "oracle_best").stdout
    )
    undefined = compared("digits-supervised-lpa3", "digits-supervised", "--metric", "val_selected")
    assert undefined.exit_code == 2
    assert "seed 0: val_selected is undefined" in undefined.stderr
    unknown = compared("digits-supervised-lpa3", "digits-supervised", "--metric", "accuracy")
    assert unknown.exit_code == 2
    assert "val_selected" in unknown.stderr


def test_markdown_or_json(runs: Path) -> None:
    page = compared("digits-supervised-lpa3", "digits-supervised", "--markdown").stdout
    assert page.startswith("## A digits-supervised-lpa3-00000000 against B digits-supervised-00000000\n")
    both = compared("digits-supervised-lpa3", "digits-supervised", "--markdown", "--json")
    assert (both.exit_code, both.stderr) == (2, "error: --json and --markdown: choose one\n")


def test_my_run_against_a_shipped_board(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "boards" / "digits" / "results"
    elsewhere = small_record(bits(5), dataset="FashionMNIST")
    write(results, small_record(bits(6)), small_record(bits(8), slots={"view": "Cutout"}), elsewhere)
    monkeypatch.setattr(selecting, "shipped", lambda name: tmp_path / "boards")
    mine = "runs/digits-supervised-lpa3-00000000-s0"
    headings = [line for line in compared(mine, "shipped:digits").stdout.splitlines() if line[:2] == "A "]
    assert headings[:2] == [
        "A digits-supervised-lpa3-00000000 against B digits-supervised-00000000",
        "A digits-supervised-lpa3-00000000 against B digits-supervised-cutout-00000000",
    ]
    assert not any("fashion" in heading for heading in headings)
    one = compared(mine, "shipped:digits/*-cutout")
    assert one.stdout.startswith(f"{headings[1]}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nothere", "runs"), 4, "nothere: no cell in "),
        (("runs", "shipped:nope"), 4, "shipped:nope: there is no such board; there are "),
        (("digits-supervised", "digits-supervised"), 2, "nothing to compare: both are digits-supervised-"),
        (("runs", "runs", "runs"), 2, "takes two arguments, not 3: put a pattern in quotes"),
    ],
)
def test_errors_are_one_line(runs: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    done = compared(*arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert done.stderr.startswith(f"error: {says}")
    assert done.stderr.count("\n") == 1


def test_help_tells_of_shipped_boards() -> None:
    shown = compared("--help")
    assert shown.exit_code == 0
    assert "shipped:BOARD" in shown.stdout
