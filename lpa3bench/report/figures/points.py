"""Runs that make one point of a figure: of one config, whose seeds alone differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lpa3bench.errors import DataError
from lpa3bench.records import Record
from lpa3bench.report.figures.series import grouped


@dataclass(frozen=True)
class Point:
    """The runs with one value of the parameter."""

    value: float
    scores: tuple[float, ...]
    """By seed."""
    seeds: tuple[int, ...]

    @property
    def n(self) -> int:
        return len(self.scores)

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores))

    @property
    def std(self) -> float | None:
        """With n − 1; None for a single run."""
        return float(np.std(self.scores, ddof=1)) if self.n > 1 else None


def point_of(value: float, records: Sequence[Record], metric: str) -> Point:
    """The point of these runs.

    Raises:
        DataError: two are of one seed, or of other code or data, or the metric is undefined in one.
    """
    by_seed = sorted(records, key=lambda record: record.seed)
    seeds = tuple(record.seed for record in by_seed)
    if len(set(seeds)) < len(seeds):
        twins = [str(r.path) for r in by_seed if seeds.count(r.seed) > 1]
        raise DataError(f"runs of one config and seed stand there twice: {', '.join(twins[:2])}")
    if len(by_identity := grouped(by_seed, lambda record: record.identity)) > 1:
        one, other = [group[0] for group in by_identity.values()][:2]
        raise DataError(
            f"{one} and {other} have one config, and other code or data behind it: they are no one point; "
            "name the runs of one of them"
        )
    scores = [record.score(metric) for record in by_seed]
    if missing := [r for r, score in zip(by_seed, scores, strict=True) if score is None]:
        raise DataError(f"{missing[0].path}: {metric} is undefined; take another --metric")
    return Point(value, tuple(score for score in scores if score is not None), seeds)


def check_one_engine(records: Sequence[Record]) -> None:
    """Points of two engines differ in more than what a line is drawn along.

    Raises:
        DataError: there are two.
    """
    engines = grouped(records, lambda record: record.numerics)
    if len(engines) > 1:
        one, other = [group[0] for group in engines.values()][:2]
        raise DataError(f"{one} and {other} are of two numerics versions: they belong on no one line")
