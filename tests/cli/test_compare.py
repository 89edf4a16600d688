"""`lpa3bench compare`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.console import Cli
from support.small_records import NLL, bits, label, small_record, write

from lpa3bench.boards import selection as selecting
from lpa3bench.cli import main

PLAIN_LABEL, LPA3_LABEL, CUTOUT_LABEL = (
    label(small_record(bits(5), slots=slots)) for slots in ({}, {"positives": "LPA3"}, {"view": "Cutout"})
)


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
        ("runs/digits-supervised-lpa3", f"runs/{PLAIN_LABEL}*"),
        ("runs/*-lpa3-*", "runs"),
    ],
)
def test_methods_are_called_in_many_ways(runs: Path, method: str, baseline: str) -> None:
    done = compared(method, baseline)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"A {LPA3_LABEL} against B {PLAIN_LABEL}\n")
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
    def by(metric: str) -> Result:
        return compared("digits-supervised-lpa3", "digits-supervised", "--metric", metric)

    assert "accuracy, best on test: 70.00" in by("accuracy.oracle_best").stdout
    undefined = by("accuracy.val_selected")
    assert undefined.exit_code == 2
    assert "seed 0: accuracy.val_selected is undefined" in undefined.stderr
    for unknown, nearest in {
        "accuracy": "did you mean accuracy.last? ",
        "acuracy.lst": "did you mean accuracy.last? ",
        "last": "",
        "foo": "",
    }.items():
        done = by(unknown)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == (
            f"error: --metric {unknown}: none of the records has it; {nearest}METRIC.RULE: metrics are "
            "accuracy, rules last, mean_last_10, mean_last_20, median_last_20, val_selected, oracle_best "
            "(docs/metrics.md)\n"
        )


def test_a_loss_is_compared_in_its_own_unit_and_a_lower_one_is_better(tmp_path: Path) -> None:
    for seed in range(6):
        plain = small_record(bits(5), seed=seed, metric="nll", kind=NLL, last=1.5)
        lpa3 = small_record(
            bits(7), seed=seed, metric="nll", kind=NLL, last=1.25, slots={"positives": "LPA3"}
        )
        write(tmp_path, plain, lpa3, runs=True)
    for words in ((), ("--metric", "nll.last")):
        done = compared("digits-supervised-lpa3", "digits-supervised", "--from", tmp_path, *words)
        assert done.exit_code == 0, done.output
        told = " ".join(done.stdout.split())
        assert "negative log-likelihood, last epoch: 1.25 ± 0.00 against 1.50 ± 0.00 nats, 6 pairs" in told
        assert "difference −0.250 ± 0.00 [−0.250, −0.250] nats verdict better: p = 0.031, 6 pairs" in told
        assert "A stopped at B's cost: 1.25 against 1.50 nats, −0.250 nats (p 0.031, not corrected)" in told
        assert "less often: exact McNemar test p 0.5; mean +20.00; " in told
        assert "lowest is class 0: +20.00 ± 0.00 points" in told
    (cell,) = json.loads(
        compared("digits-supervised-lpa3", "digits-supervised", "--from", tmp_path, "--json").stdout
    )["cells"]
    assert (cell["test"]["verdict"], cell["test"]["difference"]) == ("better", -0.25)


def test_the_arm_at_equal_cost_is_found_beside_the_baseline() -> None:
    """On the shipped board: FixMatch trained for LP-A3's passes, 12 pairs, and better."""
    cell = "shipped:digits/digits-fixmatch-labels40-strong.randaugment"
    lpa3, plain = f"{cell}-lpa3-08fc30d6", f"{cell}-e91cce08"  # others have a threshold policy
    (found,) = json.loads(compared(lpa3, plain, "--json").stdout)["cells"]
    fair = found["at_equal_cost"]
    assert fair["arm"]["label"].startswith("digits-fixmatch-equal_cost-strong.randaugment")
    assert (fair["test"]["n"], fair["test"]["verdict"]) == (12, "worse")
    assert abs(fair["passes_ratio"] - 1) < 0.03
    passes = found["costs"][0]["at_method_cost"]
    assert (passes["p"], round(passes["spent"], 2)) == (None, 0.32), "the baseline ended by itself"
    named = "shipped:digits/digits-fixmatch-equal_cost-strong.randaugment"
    again = json.loads(compared(lpa3, plain, "--equal-cost", named, "--json").stdout)
    assert again["cells"][0]["at_equal_cost"] == fair


def test_an_arm_that_fits_nothing_is_told(runs: Path) -> None:
    both = ("digits-supervised-lpa3", "digits-supervised")
    for name in both:
        done = compared(*both, "--equal-cost", name)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(
            f"error: --equal-cost {name}: nothing there is compared with A; it must"
        )


def test_markdown_or_json(runs: Path) -> None:
    page = compared("digits-supervised-lpa3", "digits-supervised", "--markdown").stdout
    assert page.startswith(f"## A {LPA3_LABEL} against B {PLAIN_LABEL}\n")
    both = compared("digits-supervised-lpa3", "digits-supervised", "--markdown", "--json")
    assert (both.exit_code, both.stderr) == (2, "error: --json and --markdown: choose one\n")


def test_my_run_against_a_shipped_board(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "boards" / "digits" / "results"
    other = small_record(bits(5), dataset="FashionMNIST")
    write(results, small_record(bits(6)), small_record(bits(8), slots={"view": "Cutout"}), other)
    monkeypatch.setattr(selecting, "shipped", lambda name: tmp_path / "boards")
    mine = f"runs/{LPA3_LABEL}-s0"
    headings = [line for line in compared(mine, "shipped:digits").stdout.splitlines() if line[:2] == "A "]
    assert headings[:2] == [
        f"A {LPA3_LABEL} against B {PLAIN_LABEL}",
        f"A {LPA3_LABEL} against B {CUTOUT_LABEL}",
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


def test_auxiliary_runs_are_no_evidence_and_make_no_family_larger(runs: Path) -> None:
    before = json.loads(compared("runs", "runs", "--json").stdout)
    for seed in range(3):
        other = small_record(bits(2), seed=seed, slots={"positives": "LPA3"}, identity="card", purpose="aid")
        write(runs, small_record(bits(1), seed=3 + seed, purpose="aid"), other, runs=True)
    assert json.loads(compared("runs", "runs", "--json").stdout) == before
    done = compared(f"runs/{other}", "digits-supervised")
    assert done.exit_code == 4
    assert "there is no result, only runs that served a measurement" in done.stderr
