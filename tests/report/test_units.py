"""Numbers in the unit of their metric, on every page: a share in per cent, nats, or nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from support.small_boards import LPA3, TOML, board_of
from support.small_records import ACCURACY, bits, changed, elsewhere, small_record, write

from lpa3bench.boards.board import Board
from lpa3bench.boards.comparison import compare
from lpa3bench.boards.selection import select
from lpa3bench.records import MetricKind, Record
from lpa3bench.records.schema import MetricOfRun
from lpa3bench.report.board_readme import board_readme
from lpa3bench.report.comparison_text import comparison_text
from lpa3bench.report.html.charts import charts, drawn_measure
from lpa3bench.report.html.page import board_page
from lpa3bench.report.latex import latex_tables

NLL = MetricKind("negative log-likelihood", "nats", False, False, "it is not finite")
KAPPA = MetricKind("Cohen's kappa", "", True, False, "it is not finite")
KINDS = {"nll": NLL, "kappa": KAPPA, "accuracy": ACCURACY}


def runs(metric: str, *, earlier: tuple[float, ...] = (0.9, 0.8)) -> tuple[Record, Record]:
    """With LP-A3 and without; what stands for the score is the share of the images that are right."""
    return (
        small_record(bits(6), slots=LPA3, metric=metric, kind=KINDS[metric], earlier=earlier, identity="b"),
        small_record(bits(5), metric=metric, kind=KINDS[metric], earlier=earlier, identity="a"),
    )


def board(metric: str, *records: Record) -> Board:
    return board_of(*(records or runs(metric)), text=TOML.replace("accuracy.last", f"{metric}.last"))


def compared(folder: Path, metric: str, method: Record, baseline: Record) -> str:
    sides = (select(str(write(folder / run.name, run)), folder) for run in (method, baseline))
    return " ".join(comparison_text(compare(*sides, f"{metric}.last")).split())


@pytest.mark.parametrize(
    ("metric", "score", "difference"),
    [
        ("nll", "negative log-likelihood, last epoch: 0.600 against 0.500 nats,", "+0.100 nats"),
        ("kappa", "Cohen's kappa, last epoch: 0.600 against 0.500, 1 pair", "+0.100"),
        ("accuracy", "accuracy, last epoch: 60.00 against 50.00 %,", "+10.00 points"),
    ],
)
def test_a_comparison(tmp_path: Path, metric: str, score: str, difference: str) -> None:
    shown = compared(tmp_path, metric, *runs(metric))
    assert f"score {score}" in shown
    assert f"difference {difference} verdict" in shown
    assert f"{score.partition(': ')[2].partition(',')[0]}, {difference} (p 1, not corrected)" in shown, (
        "at a cost"
    )
    assert "1 of 10 more often right, 0 less often" in shown
    assert "mean +10.00" in shown, "images are counted in shares of them"
    assert "lowest is class 0: +10.00 points" in shown


def test_tables() -> None:
    nats, bare, share = (board(metric) for metric in KINDS)
    page = board_readme(nats)
    assert "## Negative log-likelihood, last epoch, in nats\n" in page
    assert "## Against *no augmenter*, in nats\n" in page
    assert "| no augmenter | **0.500** |" in page, "a lower one is better"
    assert "| LP-A3 | 0.600 |" in page, "a ratio is for costs"
    page = board_readme(bare)
    assert "## Cohen's kappa, last epoch\n" in page
    assert "## Against *no augmenter*\n" in page
    assert "## Against *no augmenter*, in percentage points\n" in board_readme(share)
    assert "negative log-likelihood, last epoch, in nats}" in latex_tables(nats)
    assert "differences from no augmenter, in nats}" in latex_tables(nats)
    assert "Cohen's kappa, last epoch}" in latex_tables(bare)
    assert "differences from no augmenter}" in latex_tables(bare)


def test_the_page() -> None:
    page = board_page(board("nll"))
    assert "<b>0.600 nats</b> over 1 run." in page
    assert "difference, nats</th>" in page
    assert '<td class="number">+0.100</td>' in page
    assert ">negative log-likelihood, nats</text>" in page
    assert ">difference, nats</text>" in page
    assert "0.600 nats, n 1" in page
    assert "better, worse than the baseline by so much:" in page
    assert "<td>0.600</td>" in page
    assert "60.00 %" not in page
    bare = board_page(board("kappa"))
    assert "<b>0.600</b> over 1 run." in bare
    assert ">Cohen&#39;s kappa</text>" in bare
    assert ">difference</text>" in bare
    assert ">difference, points</text>" in board_page(board("accuracy"))
    assert '(ddof = 1)<span id="unit"></span>.' in bare
    assert "so many points" in board_page(board("accuracy"))


def test_what_a_loss_was_at_first_lies_above_its_axis_and_the_lowest_comes_first() -> None:
    falling = (30.0, *[2.0] * 20)
    (chart,) = charts(board("nll", *runs("nll", earlier=falling)))
    assert (chart.opens_at, chart.ends_at) == (None, "2")
    assert [line.row.key for line in chart.lines] == ["none", "lpa3"]
    assert "The axis ends at 2 nats; the first epochs lie above it." in board_page(
        board("nll", *runs("nll", earlier=falling))
    )


def test_curves_of_a_board_of_costs_are_of_the_metric_that_selects() -> None:
    made = board_of(*runs("nll"), text=TOML.replace("accuracy.last", "passes_per_step"))
    assert (drawn_measure(made).name, drawn_measure(made).unit) == ("negative log-likelihood", "nats")


def test_a_metric_without_a_curve_has_no_numbers_at_equal_cost(tmp_path: Path) -> None:
    later = MetricOfRun("Cohen's kappa", "", True, {"last": 0.5}, computed="later")
    method, baseline = (changed(run, metrics={**run.metrics, "kappa": later}) for run in runs("accuracy"))
    shown = compared(tmp_path, "kappa", method, baseline)
    assert "passes 1 k against 1 k (× 1.00) seconds 2 s against 2 s" in shown
    assert "had not finished an epoch" not in shown


def test_classes_are_called_by_their_names() -> None:
    named = [
        changed(run, per_class=msgspec.structs.replace(run.data.per_class, names=("cat", "dog <i>")))
        for run in runs("accuracy")
    ]
    page = board_page(board("accuracy", *named))
    assert '<th scope="row">cat</th>' in page
    assert '<th scope="row">dog &lt;i&gt;</th>' in page
    assert "the worst is class cat with +10.00 points" in page
    assert '<th scope="row">0</th>' in board_page(board("accuracy"))


def test_runs_repeated_elsewhere_are_told_in_the_unit_of_the_board() -> None:
    method, baseline = runs("nll")
    again = elsewhere(
        small_record(bits(7), metric="nll", kind=NLL, earlier=(0.9, 0.8), identity="a"),
        versions={"torch": "3"},
        finished="9",
    )
    made = board("nll", method, baseline, again)
    told = "1 run, from the board's own by +0.200 nats on average and 0.200 at most (torch: 2.14.1 → 3)"
    assert f"- no augmenter, Digits: {told}\n" in board_readme(made)
    assert told.replace("'", "&#39;") in board_page(made)
    assert "repeated elsewhere" not in board_page(board("nll"))


def test_a_cell_of_a_board_of_costs_says_how_many_times_its_baseline_it_takes() -> None:
    page = board_page(board_of(*runs("nll"), text=TOML.replace("accuracy.last", "passes_per_step")))
    assert "1.00 times the passes per step of no augmenter; of costs no claim is made." in page
    assert "has no runs here" not in page
