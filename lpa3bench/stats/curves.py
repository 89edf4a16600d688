"""A metric against what it cost: epochs, counted passes, wall-clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from lpa3bench.records import Record
from lpa3bench.records.moments import stdev
from lpa3bench.records.summary import column

Axis = Literal["passes", "seconds"]
AXES: tuple[Axis, ...] = ("passes", "seconds")
"""Forward equivalents of training, and wall-clock seconds of training, scoring left out; both so far."""


@dataclass(frozen=True, kw_only=True)
class MeanCurve:
    """Means over runs, epoch by epoch."""

    epochs: tuple[int, ...]
    """Done: the first is 1."""
    passes: tuple[float, ...]
    seconds: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float | None, ...]
    """Sample standard deviation (ddof = 1); None for one run."""


def mean_curve(records: Sequence[Record], metric: str) -> MeanCurve | None:
    """The mean of the runs' curves; None without runs, of other lengths, or where a score is undefined."""
    if len({len(record.curve) for record in records}) != 1:
        return None
    key = column("test", metric)
    rows = [*zip(*(record.curve for record in records), strict=True)]
    scores = [[row.get(key) for row in epoch] for epoch in rows]
    known = [[score for score in epoch if score is not None] for epoch in scores]
    if known != scores:
        return None
    return MeanCurve(
        epochs=tuple(range(1, len(rows) + 1)),
        passes=tuple(fmean(row["passes"] for row in epoch) for epoch in rows),
        seconds=tuple(fmean(row["seconds"] for row in epoch) for epoch in rows),
        mean=tuple(map(fmean, known)),
        std=tuple(stdev(epoch) if len(epoch) > 1 else None for epoch in known),
    )


def total_cost(record: Record, axis: Axis) -> float:
    """What the whole training cost."""
    return float(record.curve[-1][axis])


def score_at(record: Record, axis: Axis, budget: float, metric: str) -> float | None:
    """The test score of the last epoch that was done within the budget; None if none was."""
    within = [row.get(column("test", metric)) for row in record.curve if row[axis] <= budget]
    return within[-1] if within else None


def cost_to_reach(
    record: Record, axis: Axis, target: float, metric: str, *, higher_is_better: bool
) -> float | None:
    """What the run had cost at the end of the first epoch that was as good as the target; None: never."""
    key, sign = column("test", metric), 1 if higher_is_better else -1
    costs = (
        float(row[axis])
        for row in record.curve
        if (score := row.get(key)) is not None and sign * score >= sign * target
    )
    return next(costs, None)
