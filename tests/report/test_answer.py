"""The sentence that a board answers with claims what its verdicts carry, and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lpa3bench.boards.board import Board, Cell, Column, Comparison, Measure, Published, Question, Row
from lpa3bench.report.answer import answer, limits, question_answer

ACCURACY = Measure(key="accuracy.last", name="accuracy, last epoch", text="Accuracy.", unit="%")
COST = Measure(
    key="passes_per_step",
    name="passes per step",
    text="P.",
    unit="passes",
    higher_is_better=False,
    is_cost=True,
)


def compared(
    verdict: Any, difference: float, n: int = 12, *, against: str = "none", **parts: Any
) -> Comparison:
    return Comparison(
        baseline=against, n=n, difference=difference, std=0.01, low=None, high=None, p=0.01, p_holm=0.02,
        smallest_p=2 / 2**n, verdict=verdict, test="sign flips", **parts,
    )  # fmt: skip


def made(
    *comparisons: Comparison | None, questions: tuple[Question, ...] = (), of: Measure = ACCURACY
) -> Board:
    """Three rows, of which "new" is compared in one column each; None: that cell is not measured."""
    columns = tuple(Column(key=f"c{n}", name=f"setting {n}") for n in range(len(comparisons)))
    cells = []
    for column, comparison in zip(columns, comparisons, strict=True):
        cells += [Cell(row=row, column=column.key, n=12, mean=0.9) for row in ("none", "other")]
        new = Cell(row="new", column=column.key)
        cells.append(replace(new, n=12, mean=0.95, comparisons=(comparison,)) if comparison else new)
    rows = (
        Row(key="none", name="plain"),
        Row(key="other", name="another"),
        Row(key="new", name="New", baseline="none"),
    )
    return Board(
        key="b", title="B", text="", metric=of.key, metric_text=of.text, protocol=1, rows=rows,
        columns=columns, cells=tuple(cells), ranking=None, notes=(), commands=(), records={},
        measures={of.key: of}, questions=questions,
    )  # fmt: skip


def asks(*against: str, columns: tuple[str, ...] = ("c0", "c1", "c2"), primary: bool = True) -> Question:
    return Question(text="Is it?", rows=("new",), against=against, columns=columns, primary=primary)


def test_verdicts_are_counted_and_the_few_that_are_one_are_named() -> None:
    board = made(
        compared("better", 0.019), compared("no difference shown", 0.2), compared("no difference shown", -0.2)
    )
    board = replace(board, questions=(asks("none"),))
    assert answer(board) == (
        "New is better than “plain” in 1 of 3 settings (setting 0: +1.90 points) and shows no difference "
        "in 2; 12 pairs of runs each, on these test images."
    )


def test_of_many_the_range_is_told() -> None:
    board = made(*(compared("worse", -0.01 * n) for n in (1, 2, 3)), questions=(asks("none"),))
    assert "is worse than “plain” in 3 of 3 settings (−3.00 to −1.00 points)" in answer(board)


def test_what_is_not_testable_is_called_so_with_its_smallest_p_however_large_the_difference() -> None:
    board = made(*(compared("not testable", 0.5, n=3) for _ in range(3)), questions=(asks("none"),))
    said = answer(board)
    assert (
        "is not testable against “plain” in 3 of 3 settings (smallest p 0.25); 3 pairs of runs each" in said
    )
    assert not {"better", "worse", "50.00"} & {*said.split()}


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("no difference shown", "New shows no difference from “plain” or “another” in any of 2 comparisons;"),
        (
            "not testable",
            "New is not testable against “plain” or “another” in any of 2 comparisons (smallest",
        ),
    ],
)
def test_rows_with_one_outcome_everywhere_are_told_together(verdict: str, said: str) -> None:
    one, two = (compared(verdict, 0.01, against=key) for key in ("none", "other"))
    board = made(one, questions=(asks("none", "other", columns=("c0",)),))
    cells = tuple(replace(cell, comparisons=(one, two)) if cell.comparisons else cell for cell in board.cells)
    board = replace(board, cells=cells)
    assert question_answer(board, board.questions[0]).startswith(said)


def test_cells_without_pairs_are_counted_as_such() -> None:
    board = made(compared("better", 0.02), None, questions=(asks("none", columns=("c0", "c1")),))
    assert "in 1 of 2 settings (setting 0: +2.00 points) and has no pairs of runs in 1;" in answer(board)
    nothing = replace(board, questions=(asks("other", columns=("c0",)),))
    assert answer(nothing) == "Nothing that was asked can be answered: no two runs make a pair yet."


def test_secondary_questions_do_not_enter_the_board_s_answer() -> None:
    board = made(compared("better", 0.02), questions=(asks("none", columns=("c0",), primary=False),))
    primary = replace(board, questions=(asks("other", columns=("c0",)), *board.questions))
    assert "better" not in answer(primary)
    assert "better" in question_answer(primary, primary.questions[1])


def test_a_board_without_questions_tells_of_its_baselines() -> None:
    assert answer(made(compared("better", 0.02))).startswith("New is better than “plain” in 1 of 1 settings")
    assert (
        answer(made(None))
        == "2 of 3 cells are measured and none is compared with another, so nothing is claimed."
    )


def test_without_questions_a_method_is_set_against_equal_cost_too() -> None:
    """So that no gain is told that longer training would have given."""
    board = made(compared("better", 0.02))
    fair = compared("worse", -0.01, against="other", kind="equal cost")
    cells = tuple(
        replace(cell, comparisons=(*cell.comparisons, fair)) if cell.comparisons else cell
        for cell in board.cells
    )
    said = answer(replace(board, cells=cells, equal_cost="other"))
    assert "New is better than “plain” in 1 of 1 settings" in said
    assert "it is worse than “another” in 1 of 1 settings" in said


def test_a_board_of_claims_claims_nothing_itself() -> None:
    board = made(None)
    claim = Published(mean=0.9, std=None, n=None, source="A", metric="unknown", printed="90")
    bare = replace(board, cells=tuple(Cell(row=c.row, column=c.column, published=claim) for c in board.cells))
    assert (
        answer(bare)
        == "Nothing is measured yet: 0 of 3 planned cells; the 3 numbers shown are claims of their sources."
    )
    assert [limit[:22] for limit in limits(bare)] == ["That the 3 claimed num", "Anything of the 3 plan"]


def test_costs_are_told_as_ratios_and_nothing_is_tested() -> None:
    board = made(compared("better", 0.1), of=COST)
    assert answer(board) == (
        "Measured by passes per step, a method takes × 1.06 to × 1.06 of its baseline, "
        "the most with New in “setting 0”; nothing is tested."
    )


def test_what_is_not_testable_has_its_own_smallest_p_ties_too() -> None:
    tied = replace(compared("not testable", 0.1, n=6), smallest_p=0.125)
    assert "allow, 0.12 to 0.25, is" in limits(made(tied, compared("not testable", 0.1, n=3)))[0]
    assert "allow, 0.031 to 0.12, is" in limits(made(compared("not testable", 0.1, n=6), tied))[0]


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        (
            compared("not testable", 0.1, n=3),
            "1 of the 1 comparisons: they are not testable, as the smallest p that their pairs of runs "
            "allow, 0.25, is too high",
        ),
        (compared("no difference shown", 0.1), "That methods are equal"),
        (compared("better", 0.1, differs_in=("PES.lambda_u: 15 → 7.5",)), "where ≠ stands (1 cell)"),
        (compared("better", 0.1), "for other test images or data sets"),
    ],
)
def test_limits_follow_from_what_the_board_has(comparison: Comparison, said: str) -> None:
    assert said in " ".join(limits(made(comparison)))
    assert "not measured" not in " ".join(limits(made(comparison)))


def test_what_is_not_testable_may_have_more_pairs_than_the_fewest() -> None:
    weak = compared("not testable", 0.0, n=3), compared("not testable", 0.0, n=9)
    assert "their pairs of runs allow, 0.0039 to 0.25, is too high" in limits(made(*weak))[0]
