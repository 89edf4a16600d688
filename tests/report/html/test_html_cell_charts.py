"""What a cell's page draws, from a few scores."""

from __future__ import annotations

import re
from dataclasses import replace

from support.made_up_boards import MEASURES, board, cell, comparison

from lpa3bench.boards.board import Board, Cell
from lpa3bench.report.html.cell_charts import DOTS_WIDTH, MOST_BARS, class_bars, seed_dots
from lpa3bench.report.html.cell_filters import taking


def with_pair(ours: tuple[float, ...], theirs: tuple[float, ...]) -> tuple[Board, Cell]:
    base = cell("fixmatch", "c40", theirs)
    own = cell("fixmatch-lpa3", "c40", ours, comparisons=(comparison("better", 0.01, len(ours)),))
    return replace(board(), cells=(base, own)), own


def test_runs_with_one_seed_are_joined_and_counted() -> None:
    made, own = with_pair((0.92, 0.90, 0.95), (0.90, 0.90, 0.96))
    drawn = seed_dots(made, own, MEASURES["last"])
    assert drawn is not None
    assert [line.row.key for line in drawn.rows] == ["fixmatch", "fixmatch-lpa3"], "the baseline above it"
    assert drawn.own == 1
    (pairs,) = drawn.pairs
    assert (pairs.better, pairs.equal, pairs.worse, pairs.n) == (1, 1, 1, 3)
    assert (drawn.better.count("M"), drawn.rest.count("M")) == (1, 2)
    assert drawn.rows[0].dots.count("h0") == 3
    assert 0 < drawn.rows[0].mean < drawn.rows[1].mean < DOTS_WIDTH
    dots = [int(x) for x in re.findall(r"M(\d+) ", drawn.rows[0].dots + drawn.rows[1].dots)]
    assert all(0 < x < DOTS_WIDTH for x in dots)
    assert {tick.text for tick in drawn.ticks} >= {"90", "92", "94", "96"}


def test_of_a_loss_the_lower_run_is_the_better_one() -> None:
    made, own = with_pair((0.92, 0.91), (0.90, 0.95))
    drawn = seed_dots(made, own, replace(MEASURES["last"], higher_is_better=False))
    assert drawn is not None
    assert (drawn.pairs[0].better, drawn.pairs[0].worse) == (1, 1)
    assert drawn.better.startswith(f"M{round(16 / 17 * DOTS_WIDTH)} "), "from the baseline's 0.95 down"


def test_a_cell_alone_is_drawn_alone_and_one_without_scores_not_at_all() -> None:
    made = replace(board(), cells=(own := cell("fixmatch", "c40", (0.9,)),))
    drawn = seed_dots(made, own, MEASURES["last"])
    assert drawn is not None
    assert (len(drawn.rows), drawn.pairs, drawn.better, drawn.rest) == (1, (), "", "")
    assert seed_dots(made, replace(own, scores=()), MEASURES["last"]) is None


def test_a_class_without_images_has_no_bar() -> None:
    bars = class_bars(["cat", "dog", "owl"], [0.5, None, 1.0], [0.25, 0.5, 1.0])
    assert [(bar.name, bar.share, bar.difference) for bar in bars] == [("cat", 0.5, 0.25), ("owl", 1.0, 0.0)]
    assert [bar.difference for bar in class_bars(["cat"], [0.5], [])] == [None]


def test_of_many_classes_those_that_differ_most_are_drawn_in_their_order() -> None:
    names = [str(number) for number in range(100)]
    base = [0.5] * 100
    shares = [0.5 + (0.01 * number if number % 10 == 3 else 0.0) for number in range(100)]
    bars = class_bars(names, shares, base)
    assert len(bars) == MOST_BARS
    assert {"93", "83", "3"} <= {bar.name for bar in bars}
    assert [int(bar.name) for bar in bars] == sorted(int(bar.name) for bar in bars)
    lowest = class_bars(names, [number / 100 for number in range(100)], [])
    assert [bar.name for bar in lowest] == names[:MOST_BARS]


def test_records_are_taken_by_the_boards_own_command() -> None:
    assert taking(board()) == "lpa3bench leaderboard build made_up --from runs"
    own = "lpa3bench leaderboard build boards/x --from mine"
    assert taking(replace(board(), commands=("lpa3bench suite s", own))) == own
