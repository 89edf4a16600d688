"""Methods ranked over columns (data sets, settings) in which all of them have a number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from lpa3bench.stats.exact import mean_ranks
from lpa3bench.stats.paired import ALPHA, PairedTest, TestVerdict, judged, wilcoxon_test


@dataclass(frozen=True, kw_only=True)
class RankedPair:
    """Row `a` against row `b` over the columns: the verdict is of ranks, and may have another sign than the
    difference."""

    a: str
    b: str
    difference: float | None
    """Mean over the columns."""
    p: float | None
    p_holm: float | None
    smallest_p: float
    n: int
    """Columns."""
    verdict: TestVerdict


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Mean ranks, and every two methods compared."""

    columns: tuple[str, ...]
    rows: tuple[str, ...]
    """From the best mean rank to the worst."""
    mean_ranks: tuple[float, ...]
    """Of each row; 1 is best, ties share their mean."""
    pairs: tuple[RankedPair, ...]
    """Every two rows, in the order of `rows`."""
    test: str
    note: str
    """Why there are no verdicts, where there are none; otherwise ""."""


def fewest_columns(rows: int) -> int:
    """With how many columns, at least, any two of so many rows can be told apart after Holm's correction."""
    comparisons = max(1, math.comb(rows, 2))
    return math.ceil(math.log2(2 * comparisons / ALPHA))


def ranks(scores: Mapping[str, Mapping[str, float | None]]) -> Ranks | None:
    """Rank rows, column by column, over the columns in which all of them have a number.

    Every two rows are compared by Wilcoxon's signed-rank test over those columns, one number each, and p
    values are corrected by Holm's procedure over all pairs of rows. Not Nemenyi's test, whose verdict on two
    methods depends on which others stand beside them (Benavoli, Corani and Mangili, 2016).

    Args:
        scores: by row, then by column; higher is better.

    Returns:
        None for fewer than two rows, or without such a column.
    """
    rows = [*scores]
    columns = [column for column in next(iter(scores.values()), {}) if _whole(scores, column)]
    if len(rows) < 2 or not columns:
        return None
    table = {row: [_number(scores[row][column]) for column in columns] for row in rows}
    means = _mean_ranks(table)
    ordered = sorted(rows, key=lambda row: means[row])
    tests = _tests({row: table[row] for row in ordered})
    test = next(iter(tests.values())).test
    return Ranks(
        columns=tuple(columns),
        rows=tuple(ordered),
        mean_ranks=tuple(means[row] for row in ordered),
        pairs=_pairs(tests),
        test=f"{test} over {len(columns)} columns, Holm's correction over all pairs",
        note=_note(len(rows), len(columns)),
    )


def _whole(scores: Mapping[str, Mapping[str, float | None]], column: str) -> bool:
    return all(row.get(column) is not None for row in scores.values())


def _number(score: float | None) -> float:
    assert score is not None
    return score


def _mean_ranks(table: Mapping[str, Sequence[float]]) -> dict[str, float]:
    by_column = [mean_ranks([-score for score in column]) for column in zip(*table.values(), strict=True)]
    return {row: fmean(float(one[place]) for one in by_column) for place, row in enumerate(table)}


def _tests(table: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], PairedTest]:
    """Every two rows, judged together."""
    couples = [*combinations(table, 2)]
    tests = judged(
        [wilcoxon_test([x - y for x, y in zip(table[a], table[b], strict=True)]) for a, b in couples]
    )
    return dict(zip(couples, tests, strict=True))


def _pairs(tests: Mapping[tuple[str, str], PairedTest]) -> tuple[RankedPair, ...]:
    return tuple(
        RankedPair(
            a=a,
            b=b,
            difference=test.difference,
            p=test.p,
            p_holm=test.p_holm,
            smallest_p=test.smallest_p,
            n=test.n,
            verdict=test.verdict,
        )
        for (a, b), test in tests.items()
    )


def _note(rows: int, columns: int) -> str:
    fewest = fewest_columns(rows)
    if columns >= fewest:
        return ""
    return (
        f"not testable: {rows} methods make {math.comb(rows, 2)} pairs, and to tell them apart after Holm's "
        f"correction takes {fewest} columns in which all of them are measured; there are {columns}"
    )
