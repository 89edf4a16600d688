"""What a board claims of cells against published numbers, and of all rows at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lpa3bench.boards.board import Cell, Measure, Published, Reproduction
from lpa3bench.boards.definition import Definition
from lpa3bench.boards.measures import is_cost, measured_value, with_rule
from lpa3bench.boards.placing import Place
from lpa3bench.records import Record
from lpa3bench.records.summary import ORACLE_BEST
from lpa3bench.stats.ranking import Ranks, ranks
from lpa3bench.stats.reproduction import agreement

STABLE_DECIMALS = 10
"""Decimals of what libraries compute; the last bits differ between machines, and a board does not."""


def stable_p(p: float | None) -> float | None:
    """The same of a p value, by significant digits: none is 0, however small."""
    return None if p is None else float(f"{p:.{STABLE_DECIMALS}g}")


def stable_number(number: float | None) -> float | None:
    """A computed number without the bits in which machines differ."""
    return None if number is None else round(number, STABLE_DECIMALS)


# ------------------------------------------------------------------------------------------ published ones
def reproduction(published: Published | None, runs: Sequence[Record], metric: str) -> Reproduction | None:
    """Whether the runs agree with what was published, by the measure that it was published by.

    None where nothing was published or nothing is measured. Where nobody knows the measure there is no
    verdict, but what it would be by the board's `metric` and by the best epoch on the test set.
    """
    if published is None or not runs:
        return None
    if published.metric == "none":
        return _not_testable("it is another quantity than any of a record's scores")
    if published.metric == "unknown":
        told = (
            f"as {name} it would be {_agreement(published, runs, name).verdict}"
            for name in (metric, with_rule(metric, ORACLE_BEST))
        )
        return _not_testable(f"the source does not say which epoch counts; {', '.join(told)}")
    return _agreement(published, runs, published.metric)


def _agreement(published: Published, runs: Sequence[Record], metric: str) -> Reproduction:
    scores = [score for run in runs if (score := measured_value(run, metric)) is not None]
    if len(scores) < len(runs):
        return _not_testable(f"{metric} is undefined in some runs")
    found = agreement(scores, published=published.mean, published_n=published.n)
    return Reproduction(
        verdict=found.verdict, low=stable_number(found.low), high=stable_number(found.high), why=found.why
    )


def _not_testable(reason: str) -> Reproduction:
    return Reproduction(verdict="not testable", low=None, high=None, why=f"not testable: {reason}")


# ------------------------------------------------------------------------------------------------ all rows
def rank(definition: Definition, measure: Measure, cells: Mapping[Place, Cell]) -> Ranks | None:
    """The ranked rows over the columns in which all of them are measured; None where that is nothing.

    Rows of which no cell is measured have no rank, and cost nobody else theirs.
    """
    if is_cost(definition.metric):
        return None
    sign = 1 if measure.higher_is_better else -1
    scores = {
        row: {
            column.key: None if cell.mean is None else sign * cell.mean
            for column in definition.columns
            if (cell := cells.get((row, column.key))) is not None
        }
        for row in definition.ranked
    }
    scores = {row: means for row, means in scores.items() if any(mean is not None for mean in means.values())}
    columns = [column.key for column in definition.columns]
    found = ranks({row: {c: means.get(c) for c in columns} for row, means in scores.items()})
    if found is None or len(found.columns) < 2:  # ranks in one column are only its order
        return None
    pairs = (
        replace(
            pair,
            difference=None if pair.difference is None else stable_number(sign * pair.difference),
            p=stable_p(pair.p),
            p_holm=stable_p(pair.p_holm),
            smallest_p=float(f"{pair.smallest_p:.{STABLE_DECIMALS}g}"),
        )
        for pair in found.pairs
    )
    return replace(found, pairs=tuple(pairs))
