"""A metric against what it cost: epochs, counted passes, wall-clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, TypeVar, cast

from lpa3bench.records import Record
from lpa3bench.records.moments import exact_stdev
from lpa3bench.records.summary import column, is_scored

_T = TypeVar("_T")
Axis = Literal["passes", "seconds"]
AXES: tuple[Axis, ...] = ("passes", "seconds")
"""Forward equivalents of training, and wall-clock seconds of training, scoring left out; both so far."""
Progress = Literal["passes", "epochs", "seconds"]
"""How far a training is."""


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
    places = _scored(records[0])
    scores = [*zip(*(_at(places, record.column(column("test", metric))) for record in records), strict=True)]
    if any(score is None for epoch in scores for score in epoch):
        return None
    passes, seconds = (
        [*zip(*(_at(places, _costs(record, axis)) for record in records), strict=True)] for axis in AXES
    )
    return MeanCurve(
        epochs=tuple(place + 1 for place in places),
        passes=tuple(map(fmean, passes)),
        seconds=tuple(map(fmean, seconds)),
        mean=tuple(map(fmean, scores)),
        std=tuple(exact_stdev(epoch) if len(epoch) > 1 else None for epoch in scores),
    )


def difference_curve(
    records: Sequence[Record], baselines: Sequence[Record], metric: str, along: Progress
) -> MeanCurve | None:
    """The mean, epoch by epoch, of how much better or worse than the baseline of the same seed runs are.

    An epoch is compared with the baseline's last score by then: after as many epochs, or passes, or seconds.
    A baseline that has ended stays where it was. Epochs before any baseline's first score are left out.

    Args:
        records, baselines: of one method each; seeds that only one of them has are left out.

    Returns:
        None where they have no seed in common, runs are of other lengths, a score is undefined, or the
        baselines have no score in time.
    """
    others = {record.seed: record for record in baselines}
    pairs = [(record, others[record.seed]) for record in records if record.seed in others]
    whole = mean_curve([record for record, _ in pairs], metric) if pairs else None
    if whole is None or mean_curve([other for _, other in pairs], metric) is None:
        return None
    places = _scored(pairs[0][0])
    name = column("test", metric)
    rows: list[list[float]] = [[] for _ in places]
    for record, other in pairs:
        done = _scored(other)
        costs, scores = _at(done, _progress(other, along)), _at(done, other.column(name))
        for row, place in zip(rows, places, strict=True):
            by_then = bisect_right(costs, _progress(record, along)[place])
            if by_then:
                row.append(cast("float", record.column(name)[place]) - cast("float", scores[by_then - 1]))
    kept = [number for number, row in enumerate(rows) if len(row) == len(pairs)]
    if not kept:
        return None
    return MeanCurve(
        epochs=tuple(whole.epochs[number] for number in kept),
        passes=tuple(whole.passes[number] for number in kept),
        seconds=tuple(whole.seconds[number] for number in kept),
        mean=tuple(fmean(rows[number]) for number in kept),
        std=tuple(exact_stdev(rows[number]) if len(pairs) > 1 else None for number in kept),
    )


def _progress(record: Record, along: Progress) -> Sequence[float]:
    """After each epoch."""
    return range(1, len(record.curve) + 1) if along == "epochs" else _costs(record, along)


def _scored(record: Record) -> list[int]:
    """The epochs that have scores, the first of all is 0."""
    epochs, every = len(record.curve), record.data.protocol.score_every
    return [epoch for epoch in range(epochs) if is_scored(epoch, epochs, every)]


def _at(places: Iterable[int], numbers: Sequence[_T]) -> list[_T]:
    return [numbers[place] for place in places]


def _costs(record: Record, axis: Axis) -> Sequence[float]:
    """After each epoch; every row has them."""
    return cast("Sequence[float]", record.column(axis))


def total_cost(record: Record, axis: Axis) -> float:
    """What the whole training cost."""
    return float(_costs(record, axis)[-1])


def score_at(record: Record, axis: Axis, budget: float, metric: str) -> float | None:
    """The test score of the last epoch that was done within the budget, of the
    scored ones; None if none was."""
    costs, scores = _costs(record, axis), record.column(column("test", metric))
    within = [scores[epoch] for epoch in _scored(record) if costs[epoch] <= budget]
    return within[-1] if within else None


def cost_to_reach(
    record: Record, axis: Axis, target: float, metric: str, *, higher_is_better: bool
) -> float | None:
    """What the run had cost at the end of the first epoch that was as good as the target; None: never."""
    sign = 1 if higher_is_better else -1
    scores = zip(_costs(record, axis), record.column(column("test", metric)), strict=True)
    costs = (float(cost) for cost, score in scores if score is not None and sign * score >= sign * target)
    return next(costs, None)
