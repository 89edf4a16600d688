"""Which cells are compared with which, in which family, and what it takes for an arm to be at equal cost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.small_boards import LPA3, TOML, board_of, defined
from support.small_records import bits, small_record

from lpa3bench.boards.board import Board, Comparison
from lpa3bench.errors import ConfigError
from lpa3bench.records import Record
from lpa3bench.report.answer import answer
from lpa3bench.report.board_readme import board_readme
from lpa3bench.report.csv_table import board_csv
from lpa3bench.report.html.page import board_page
from lpa3bench.report.markdown import NO_BREAK, escape_markdown
from lpa3bench.report.table_building import against

PLAIN = 'match = { "slots.positives" = "none" }\n'
FAIR = (
    f"""{PLAIN}unless = {{ setting = "equal_cost" }}
""".join(TOML.split(PLAIN))
    + """
[[rows]]
key = "fair"
name = "no augmenter, equal cost"
baseline = "none"
match = { "slots.positives" = "none", setting = "equal_cost" }

[[rows]]
key = "again"
name = "the images themselves"
baseline = "none"
match = { "slots.positives" = "Identity" }
"""
)
EQUAL_COST = FAIR.replace("protocol = 1", 'protocol = 1\nequal_cost = "fair"')
QUESTION = """
[[questions]]
text = "Is LP-A3 worth its passes?"
rows = ["lpa3"]
against = ["none", "fair", "again"]
primary = true
"""


def runs(gain: int, name: str, passes: float, *, seeds: int = 8, **parts: object) -> list[Record]:
    """In each seed so many of a hundred images more right than 60 and the seed's number."""
    return [
        small_record(
            bits(60 + seed + gain + seed % 2, of=100),
            seed=seed,
            identity=name,
            passes=passes,
            **parts,  # type: ignore[arg-type]
        )
        for seed in range(seeds)
    ]


def board(text: str = EQUAL_COST, *, passes: float = 3000.0) -> Board:
    records = [
        *runs(0, "a", 1000.0),
        *runs(4, "b", 3000.0, slots=LPA3),
        *runs(6, "c", passes, setting="equal_cost"),
        *runs(2, "d", 2000.0, slots={"positives": "Identity"}),
    ]
    return board_of(*records, text=text)


def comparisons(made: Board, row: str) -> dict[str, Comparison]:
    cell = made.cell(row, "digits")
    assert cell
    return {one.baseline: one for one in cell.comparisons}


def readme(made: Board) -> str:
    return board_readme(made).replace(NO_BREAK, " ")


def test_every_method_is_compared_with_the_arm_at_its_cost() -> None:
    """The images themselves take two thirds of its passes: that would not be at equal cost."""
    made = board()
    told = comparisons(made, "lpa3")
    assert [(name, one.kind) for name, one in told.items()] == [("none", "baseline"), ("fair", "equal cost")]
    assert told["fair"].difference == pytest.approx(-0.02)
    assert (told["fair"].verdict, told["fair"].passes_ratio) == ("worse", 1.0)
    assert [*comparisons(made, "again")] == ["none"]
    assert [*comparisons(made, "fair")] == ["none"]
    assert comparisons(board(FAIR), "lpa3").keys() == {"none"}


def test_all_pages_tell_of_equal_cost() -> None:
    made = board()
    page = readme(made)
    assert "## At equal cost, in percentage points" in page
    assert "|  | Digits (n 8) |\n| --- | ---: |\n| LP-A3 | ▼ −2.00 \\[−2.00, −2.00\\]<br>p 0.0078 |" in page
    assert "equal_cost_verdict" in board_csv(made)
    assert "Worse than no augmenter, equal cost by 2.00 points: " in board_page(made)
    assert "## At equal cost" not in board_readme(board(FAIR))


@pytest.mark.parametrize(("passes", "told"), [(2950.0, " |"), (2700.0, "<br>at × 1.11 its passes |")])
def test_an_arm_that_is_not_quite_at_the_methods_cost_is_marked(passes: float, told: str) -> None:
    assert f"| LP-A3 | ▼ −2.00 \\[−2.00, −2.00\\]<br>p 0.0078{told}" in readme(board(passes=passes))


def test_an_arm_at_another_cost_is_not_compared() -> None:
    assert [*comparisons(board(passes=1500.0), "lpa3")] == ["none"]


def test_a_p_that_correction_takes_back_stands_beside_its_interval() -> None:
    """By itself p leaves zero out of the interval; corrected it does not, and both are told."""
    made = board()
    comparison = comparisons(made, "lpa3")["none"]
    shown = {
        p_holm: against(replace(comparison, p=4 / 256, p_holm=p_holm), made.measures[made.metric]).p
        for p_holm in (8 / 256, 20 / 256)
    }
    assert shown == {8 / 256: "p 0.031", 20 / 256: "p 0.016, corrected 0.078"}


def test_questions_make_families() -> None:
    """Three primary comparisons, corrected among themselves: 3 · 2/2⁸; two others."""
    made = board(EQUAL_COST + QUESTION)
    told = comparisons(made, "lpa3")
    assert {name: (one.kind, one.primary) for name, one in told.items()} == {
        "none": ("baseline", True),
        "fair": ("equal cost", True),
        "again": ("question", True),
    }
    assert {one.p_holm for one in told.values()} == {3 / 128}
    others = [comparisons(made, row)["none"] for row in ("fair", "again")]
    assert [(one.primary, one.p_holm) for one in others] == [(False, 2 / 128)] * 2
    assert any("3 of the 5 comparisons answer the board's primary questions" in note for note in made.notes)
    page = readme(made)
    assert "**Primary: Is LP-A3 worth its passes?**" in page
    assert "− the images themselves (n 8) |" in page
    assert "| Digits | ▲ +4.00 \\[+4.00, +4.00\\]<br>p 0.023 | ▼ −2.00 \\[" in page
    assert f"**{escape_markdown(answer(made))}**" in board_readme(made), "the answer comes first"
    assert '<p class="asked">Is LP-A3 worth its passes?</p>' in board_page(made)


def test_without_questions_baselines_are_the_question() -> None:
    """Three comparisons with baselines; the one at equal cost is corrected apart."""
    told = comparisons(board(), "lpa3")
    assert [(one.primary, one.p_holm) for one in told.values()] == [(True, 3 / 128), (False, 1 / 128)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TOML.replace("protocol = 1", 'protocol = 1\nequal_cost = "fare"'), "equal_cost: "),
        (
            EQUAL_COST + QUESTION.replace('"again"', '"agian"'),
            r"questions\[1\]: against: there is no agian",
        ),
        (EQUAL_COST + QUESTION.replace('["lpa3"]', '["lpa3", "lpa3"]'), "rows: lpa3 stands there 2 times"),
        (EQUAL_COST + QUESTION.replace('"again"', '"lpa3"'), "lpa3 would be compared with itself"),
        (EQUAL_COST + QUESTION + 'columns = ["digit"]', "columns: "),
    ],
)
def test_questions_that_cannot_be_answered_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        defined(text)
