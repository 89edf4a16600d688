"""Kendall's τ between the rankings of two schedules, its interval and its ceiling."""

from __future__ import annotations

import math
import random
from itertools import combinations
from math import comb
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lpa3bench.stats import RankAgreement, kendall_tau, rank_agreement
from lpa3bench.stats.rank_agreement import SeedScores, _halves

pytestmark = pytest.mark.filterwarnings("error")

NUMBERS = st.lists(st.integers(0, 6), min_size=2, max_size=8)


# ----------------------------------------------------------------------------------------------------- τ
@pytest.mark.parametrize(
    ("one", "other", "tau"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4], [2, 1, 3, 4], 4 / 6),  # 5 concordant, 1 discordant of 6
        ([1, 2, 3, 4, 5], [3, 1, 2, 5, 4], 4 / 10),  # discordant: (1, 2), (1, 3), (4, 5)
        # Pairs of one: (1, 1) is tied, so 5 are not; of the other (2, 2) is, likewise 5.
        # Both untied: 4, all of them concordant. τ-b = 4 / √(5 · 5).
        ([1, 1, 2, 3], [1, 2, 2, 3], 4 / 5),
        # One has 3 ties of 6 pairs, the other none; concordant (1, 4), (2, 4), (3, 4).
        ([1, 1, 1, 2], [3, 1, 2, 4], 3 / math.sqrt(3 * 6)),
        ([0.1 + 0.2, 0.3, 1.0], [1.0, 2.0, 3.0], 2 / math.sqrt(2 * 3)),  # the first two tie but for rounding
    ],
)
def test_tau_by_hand(one: list[float], other: list[float], tau: float) -> None:
    assert kendall_tau(one, other) == pytest.approx(tau, abs=1e-12)


def test_where_all_are_equal_there_is_no_ranking() -> None:
    assert kendall_tau([1, 1, 1], [1, 2, 3]) is None
    assert kendall_tau([1, 2, 3], [5, 5, 5]) is None
    assert kendall_tau([1], [2]) is None


def counted(one: list[int], other: list[int]) -> float | None:
    """τ-b by its definition, pair by pair."""
    pairs = [(a - c, b - d) for (a, b), (c, d) in combinations(zip(one, other, strict=True), 2)]
    concordant, discordant = (sum(sign * x * y > 0 for x, y in pairs) for sign in (1, -1))
    untied = sum(x != 0 for x, _ in pairs) * sum(y != 0 for _, y in pairs)
    return (concordant - discordant) / math.sqrt(untied) if untied else None


@settings(deadline=None, max_examples=60)
@given(NUMBERS, st.randoms())
def test_tau_counts_pairs_and_asks_of_order_alone(one: list[int], rng: random.Random) -> None:
    other = [rng.randrange(5) for _ in one]
    tau, expected = kendall_tau(one, other), counted(one, other)
    assert tau == (None if expected is None else pytest.approx(expected, abs=1e-12))
    assert kendall_tau(other, one) == tau
    assert kendall_tau([math.exp(x) for x in one], [x**3 - 7 for x in other]) == tau, "monotone changes"
    assert kendall_tau([-x for x in one], [-x for x in other]) == tau
    assert kendall_tau([-x for x in one], other) == (None if tau is None else pytest.approx(-tau))
    order = rng.sample(range(len(one)), len(one))
    assert kendall_tau([one[k] for k in order], [other[k] for k in order]) == tau


# ----------------------------------------------------------------------------------------------- over seeds
def scores(seeds: int = 8, noise: float = 0.0, order: str = "abcd", seed: int = 0) -> SeedScores:
    """Methods from the worst to the best, a point apart."""
    rng = random.Random(seed)
    return {
        name: {s: place + noise * rng.gauss(0, 1) for s in range(seeds)} for place, name in enumerate(order)
    }


def test_where_all_seeds_agree_the_interval_has_no_width() -> None:
    found = rank_agreement(scores(order="bacd"), scores())
    assert found == RankAgreement(
        methods=("a", "b", "c", "d"),
        seeds=tuple(range(8)),
        tau=round(4 / 6, 12),
        low=round(4 / 6, 12),
        high=round(4 / 6, 12),
        halves=round(4 / 6, 12),
        ceiling=1.0,
    )


def test_a_schedule_ranks_as_itself() -> None:
    noisy = scores(seeds=8, noise=2.0)
    found = rank_agreement(noisy, noisy)
    assert (found.tau, found.low, found.high) == (1.0, 1.0, 1.0)
    assert found.ceiling is not None
    assert found.ceiling < 0.9, "by other seeds it does not"
    assert found.halves == found.ceiling


def test_halves_by_hand() -> None:
    """Two seeds make the splits (0 | 1) and (1 | 0); three methods. Seed 0 ranks a < b < c on both schedules;
    seed 1 b < a < c on the short one and c < b < a on the reference."""
    short = {"a": {0: 1, 1: 2}, "b": {0: 2, 1: 1}, "c": {0: 3, 1: 3}}
    full = {"a": {0: 1, 1: 5}, "b": {0: 2, 1: 4}, "c": {0: 3, 1: 1}}
    found = rank_agreement(short, full)
    # Short by 0 against full by 1: −1. Short by 1 (b a c) against full by 0 (a b c): 1/3.
    assert found.halves == pytest.approx((-1 + 1 / 3) / 2)
    assert found.ceiling == pytest.approx(-1)
    # Means: 1.5, 1.5, 3 and 3, 3, 2: c last in one, first in the other, the others tie in both.
    assert found.tau == pytest.approx(-1)
    assert (found.low, found.high) == (None, None), "two seeds are too few"


@pytest.mark.parametrize("n", [2, 3, 12, 13, 40])
def test_halves_are_disjoint_and_of_one_size(n: int) -> None:
    first, second = _halves(n)
    assert len(first) == len(second) == min(comb(n, n // 2) * comb(n - n // 2, n // 2), 1000)
    for half in (first, second):
        assert {*(half > 0).sum(1).tolist()} == {n // 2}
        assert half.sum(1) == pytest.approx(1)
    assert not (first * second).any()


def test_a_mean_over_less_than_half_of_the_splits_is_none() -> None:
    """Seed 0 alone tells methods apart on the short schedule and seed 1 on the reference, so that of the six
    splits of four seeds two have a τ, and by halves of the reference none has."""
    short, full = (
        {
            name: {s: float(place) if s == telling else 0.0 for s in range(4)}
            for place, name in enumerate("abc")
        }
        for telling in (0, 1)
    )
    found = rank_agreement(short, full)
    assert (found.tau, found.halves, found.ceiling) == (1.0, None, None)


def test_one_seed_has_no_halves() -> None:
    found = rank_agreement(scores(seeds=1, order="bacd"), scores(seeds=1))
    assert found.tau == pytest.approx(4 / 6)
    assert (found.low, found.high, found.halves, found.ceiling) == (None,) * 4


def test_of_an_odd_number_of_seeds_each_is_left_out_in_turn() -> None:
    """Three seeds: halves of one seed each, three ordered pairs of two seeds twice. Seed 2 ranks the other
    way round on the reference: 0|1 and 1|0 agree by 1, the four with seed 2 by −1."""
    up, down = dict(zip("abc", (1, 2, 3), strict=True)), dict(zip("abc", (3, 2, 1), strict=True))
    full = {name: {0: up[name], 1: up[name], 2: down[name]} for name in "abc"}
    assert rank_agreement(full, full).ceiling == pytest.approx((2 - 4) / 6)


def test_seeds_that_one_method_lacks_do_not_count() -> None:
    short, full = scores(seeds=9, noise=1.0), scores(seeds=9, noise=1.0, seed=1)
    lacking = {
        name: {s: x for s, x in by_seed.items() if (name, s) != ("b", 3)} for name, by_seed in short.items()
    }
    found = rank_agreement(lacking, full)
    assert found.seeds == (0, 1, 2, 4, 5, 6, 7, 8)
    without = [{n: {s: x for s, x in its.items() if s != 3} for n, its in of.items()} for of in (short, full)]
    assert found == rank_agreement(*without)
    only = rank_agreement({n: short[n] for n in "abc"}, full)
    assert only.methods == ("a", "b", "c")


@pytest.mark.parametrize(
    ("short", "full", "why"),
    [
        (scores(order="ab"), scores(order="ab"), "of fewer than 3 methods rankings say next to nothing"),
        ({}, scores(), "of fewer than 3 methods rankings say next to nothing"),
        (scores(seeds=0), scores(), "there is no seed that all methods have on both"),
        ({name: {0: 1.0, 1: 1.0} for name in "abcd"}, scores(), "on one of them all means are equal"),
    ],
)
def test_where_there_is_no_tau_it_is_said_why(short: SeedScores, full: SeedScores, why: str) -> None:
    found = rank_agreement(short, full)
    assert (found.tau, found.low, found.halves, found.ceiling) == (None,) * 4
    assert found.why == why


def test_the_same_in_any_order_and_by_any_names() -> None:
    short, full = scores(noise=1.5), scores(noise=1.5, seed=1)
    found = rank_agreement(short, full)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= (found.tau or 0) <= found.high
    turned = {name: dict(reversed([*full[name].items()])) for name in reversed(full)}
    assert rank_agreement(dict(reversed([*short.items()])), turned) == found
    named = [{f"x{'dbca'.index(name)}": its for name, its in of.items()} for of in (short, full)]
    again = rank_agreement(*named)
    assert (again.tau, again.low, again.high, again.halves, again.ceiling) == (
        found.tau, found.low, found.high, found.halves, found.ceiling,
    )  # fmt: skip
    lower = [
        {name: {s: 3 - 2 * x for s, x in its.items()} for name, its in of.items()} for of in (short, full)
    ]
    assert rank_agreement(*lower).tau == found.tau, "losses"


def test_more_seeds_narrow_it_and_many_are_split_at_random() -> None:
    few, many = (
        rank_agreement(scores(n, 3.0, "abcdefgh"), scores(n, 3.0, "abcdefgh", seed=1)) for n in (6, 60)
    )
    assert (few.high or 0) - (few.low or 0) > 1.5 * ((many.high or 0) - (many.low or 0))
    assert many.ceiling is not None
    assert few.ceiling is not None
    assert many.ceiling > few.ceiling


def test_the_interval_covers_the_mean_tau_of_so_many_seeds() -> None:
    """Eight methods whose true means are ranked alike, twelve seeds, noise as large as the methods' spread:
    the mean τ is well below 1, that of the true means."""
    rng = random.Random(5)
    true = {name: rng.gauss(0, 1) for name in "abcdefgh"}

    def drawn() -> SeedScores:
        return {name: {s: mean + rng.gauss(0, 1.5) for s in range(12)} for name, mean in true.items()}

    def means(of: SeedScores) -> list[float]:
        return [fmean(its.values()) for its in of.values()]

    mean = fmean(kendall_tau(means(drawn()), means(drawn())) or 0.0 for _ in range(300))
    assert mean < 0.9
    found = [rank_agreement(drawn(), drawn()) for _ in range(12)]
    assert sum((one.low or 0) <= mean <= (one.high or 0) for one in found) >= 10
    halves, ceiling = (fmean(getattr(one, name) for one in found) for name in ("halves", "ceiling"))
    assert mean > halves == pytest.approx(ceiling, abs=0.1), "one ranks as the other does"
