"""Methods ranked over columns."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lpa3bench.stats import fewest_columns, ranks
from lpa3bench.stats.paired import WILCOXON, WILCOXON_DRAWN

pytestmark = pytest.mark.filterwarnings("error")

THREE = {
    "a": {"x": 0.9, "y": 0.8, "z": 0.7},
    "b": {"x": 0.8, "y": 0.8, "z": 0.9},
    "c": {"x": 0.7, "y": 0.6, "z": 0.1},
}


def test_mean_ranks_by_hand() -> None:
    """x: a 1, b 2, c 3. y: a and b share 1.5, c 3. z: b 1, a 2, c 3. Sums 4.5, 4.5, 9."""
    found = ranks(THREE)
    assert found
    assert (found.rows, found.columns) == (("a", "b", "c"), ("x", "y", "z"))
    assert found.mean_ranks == pytest.approx((1.5, 1.5, 3.0))


def test_too_few_columns_rank_but_claim_nothing() -> None:
    found = ranks(THREE)
    assert found
    assert [(pair.a, pair.b, pair.verdict) for pair in found.pairs] == [
        ("a", "b", "not testable"),
        ("a", "c", "not testable"),
        ("b", "c", "not testable"),
    ]
    assert found.note == (
        "not testable: 3 methods make 3 pairs, and to tell them apart after Holm's correction takes 7 "
        "columns in which all of them are measured; there are 3"
    )


@pytest.mark.parametrize(("rows", "columns"), [(2, 6), (3, 7), (5, 9)])
def test_the_fewest_columns(rows: int, columns: int) -> None:
    """The smallest p, 2/2ⁿ, times the number of pairs comes down to 0.05 there and not one before."""
    pairs = rows * (rows - 1) / 2
    assert pairs * 2 / 2 ** fewest_columns(rows) <= 0.05 < pairs * 2 / 2 ** (fewest_columns(rows) - 1)
    assert fewest_columns(rows) == columns


def test_enough_columns_tell_methods_apart() -> None:
    """Seven columns: a beats b and c in all, p = 2/128, times three; b and c take turns."""
    columns = "stuvwxy"
    scores = {
        "b": {column: 0.5 + 0.01 * place for place, column in enumerate(columns)},
        "a": {column: 0.8 + 0.01 * place for place, column in enumerate(columns)},
        "c": {column: 0.5 + 0.01 * (place + (-1) ** place) for place, column in enumerate(columns)},
    }
    found = ranks(scores)
    assert found
    assert (found.rows[0], found.mean_ranks[0], found.note) == ("a", 1.0, "")
    verdicts = {(pair.a, pair.b): pair.verdict for pair in found.pairs}
    assert verdicts["a", "b"] == verdicts["a", "c"] == "better"
    assert {*verdicts.values()} == {"better", "no difference shown"}
    assert {pair.p for pair in found.pairs if pair.a == "a"} == {2 / 128}
    assert [pair.p_holm for pair in found.pairs if pair.a == "a"] == [pytest.approx(6 / 128)] * 2
    assert all((pair.p_holm or 0) > 0.5 for pair in found.pairs if pair.a != "a")


def test_a_verdict_is_that_of_ranks_and_never_the_reverse_of_the_order() -> None:
    """Of twelve columns a wins eleven by little, and loses the twelfth by half: its mean is lower."""
    columns = {f"c{k}": k / 1000 for k in range(1, 12)} | {"c12": -0.5}
    found = ranks(
        {"b": dict.fromkeys(columns, 0.5), "a": {column: 0.5 + more for column, more in columns.items()}}
    )
    assert found
    assert found.rows == ("a", "b")
    assert found.mean_ranks == pytest.approx((13 / 12, 23 / 12))
    (pair,) = found.pairs
    assert (pair.a, pair.verdict) == ("a", "better")
    assert pair.difference < 0


@pytest.mark.parametrize(("columns", "test"), [(32, WILCOXON), (33, WILCOXON_DRAWN)])
def test_flips_that_are_drawn_are_not_called_exact(columns: int, test: str) -> None:
    scores = {
        row: {str(column): column / 100 + place / 10 for column in range(columns)}
        for place, row in enumerate("ab")
    }
    found = ranks(scores)
    assert found
    assert found.test == f"{test} over {columns} columns, Holm's correction over all pairs"


def test_only_columns_in_which_all_are_measured_count() -> None:
    scores: dict[str, dict[str, float | None]] = {
        "a": {"x": 0.9, "y": None, "z": 0.1},
        "b": {"x": 0.8, "y": 0.9},
    }
    found = ranks(scores)
    assert found
    assert (found.columns, found.mean_ranks) == (("x",), (1.0, 2.0))
    assert ranks({"a": {"x": None}, "b": {"x": 0.5}}) is None
    assert ranks({"a": {"x": 0.5}}) is None
    assert ranks({}) is None


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=8), st.randoms())
@settings(max_examples=4)
def test_ranks_know_no_order_of_columns(columns: list[list[int]], draw: random.Random) -> None:
    def scores(order: list[list[int]]) -> dict[str, dict[str, float]]:
        return {
            row: {str(n): column[place] / 10 for n, column in enumerate(order)}
            for place, row in enumerate("abc")
        }

    one, other = ranks(scores(columns)), ranks(scores(draw.sample(columns, len(columns))))
    assert one
    assert other
    assert one.mean_ranks == pytest.approx(other.mean_ranks)
    assert sum(one.mean_ranks) == pytest.approx(6)
    assert [pair.p_holm for pair in one.pairs] == pytest.approx([pair.p_holm for pair in other.pairs])


def test_differences_of_counts_that_tie_share_their_rank() -> None:
    """Of 717 images 1, −2, 2, 4, −4, 7 and 7: ranks 1, 2.5, 2.5, 4.5, 4.5, 6.5, 6.5 have the exact p 36/128.

    If scores were rounded first, it would be 32/128."""
    a, b = (700, 699, 650, 644, 640, 600, 611), (699, 701, 648, 640, 644, 593, 604)
    table = {row: {str(k): right / 717 for k, right in enumerate(of)} for row, of in (("a", a), ("b", b))}
    found = ranks(table)
    assert found
    assert [pair.p for pair in found.pairs] == [36 / 128]
