"""What a run's curve comes to: a few numbers for each metric, by rule, and why one of them is undefined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from lpa3bench.records.moments import exact_mean
from lpa3bench.records.schema import MetricOfRun
from lpa3bench.runtime.counting import counted

CurveRow = Mapping[str, Any]
AVERAGES: dict[str, tuple[int, Callable[[Sequence[float]], float]]] = {
    "mean_last_10": (10, exact_mean),
    "mean_last_20": (20, exact_mean),
    "median_last_20": (20, median),
}
"""Over so many last epochs, as papers of several traditions report them."""
LAST, VAL_SELECTED, ORACLE_BEST = "last", "val_selected", "oracle_best"
RULES = (LAST, *AVERAGES, VAL_SELECTED, ORACLE_BEST)
"""`last` is the last epoch's number; `val_selected` that of the epoch with the best validation score (the
first of equals) by the metric that the run selects by; `oracle_best` the best of all epochs, which looks at
the test set and is nobody's result."""


class MetricKind(NamedTuple):
    """What a record says of a metric beside its numbers; see `lpa3bench.api.Metric`."""

    title: str
    unit: str
    higher_is_better: bool
    counts: bool
    undefined: str


def column(split: str, metric: str) -> str:
    """The column of the curve with a metric's numbers on a split: "test/accuracy"."""
    return f"{split}/{metric}"


def is_scored(epoch: int, epochs: int, every: int) -> bool:
    """Whether a run of so many epochs is scored after this one, of which the first is 0."""
    return (epoch + 1) % every == 0 or epoch + 1 == epochs


def summarise_curve(
    curve: Sequence[CurveRow], kinds: Mapping[str, MetricKind], select: str
) -> dict[str, MetricOfRun]:
    """The numbers of each metric on the test split, by rule.

    Args:
        curve: a row an epoch; those that were scored, the last among them, with the columns "test/<metric>"
            and, where there is a validation split, "val/<select>".
        select: the metric that selects.

    Raises:
        ValueError: the curve is empty.
        KeyError: a column of a metric is missing where the selecting one is not.
    """
    if not curve:
        raise ValueError("curve: holds no epoch")
    chosen = selected_epoch(curve, select, higher_is_better=kinds[select].higher_is_better)
    return {name: _metric(curve, name, kind, chosen, select) for name, kind in kinds.items()}


def selected_epoch(curve: Sequence[CurveRow], select: str, *, higher_is_better: bool) -> int | None:
    """The epoch with the best validation score, the first of equals; None where there is none."""
    if _lacks_validation(curve, select):
        return None
    by = column("val", select)
    scores = {epoch: row[by] for epoch, row in enumerate(curve) if row.get(by) is not None}
    sign = 1 if higher_is_better else -1
    return max(scores, key=lambda epoch: (sign * scores[epoch], -epoch)) if scores else None


def _lacks_validation(curve: Sequence[CurveRow], select: str) -> bool:
    return any(column("test", select) in row and column("val", select) not in row for row in curve)


def _metric(
    curve: Sequence[CurveRow], name: str, kind: MetricKind, chosen: int | None, select: str
) -> MetricOfRun:
    key, scored = column("test", name), column("test", select)
    values: list[float | None] = [row[key] for row in curve if scored in row or row is curve[-1]]
    known = [value for value in values if value is not None]
    best = max if kind.higher_is_better else min
    scores: dict[str, float | None] = {LAST: values[-1]}
    for rule, (length, average) in AVERAGES.items():
        whole = [value for row in curve[-length:] if (value := row.get(key)) is not None]
        scores[rule] = average(whole) if len(whole) == length else None
    scores[VAL_SELECTED] = None if chosen is None else curve[chosen][key]
    scores[ORACLE_BEST] = best(known, default=None)
    gaps = "not every epoch was scored (run.score_every)" if len(values) < len(curve) else kind.undefined
    reasons = {
        rule: f"the run has only {counted(len(curve), 'epoch')}" if len(curve) < length else gaps
        for rule, (length, _) in AVERAGES.items()
    }
    if chosen is None:
        reasons[VAL_SELECTED] = _why_unselected(curve, select)
    return MetricOfRun(
        title=kind.title,
        unit=kind.unit,
        higher_is_better=kind.higher_is_better,
        counts=kind.counts,
        scores=scores,
        undefined={
            rule: reasons.get(rule, kind.undefined) for rule, score in scores.items() if score is None
        },
    )


def _why_unselected(curve: Sequence[CurveRow], select: str) -> str:
    if _lacks_validation(curve, select):
        return "there is no validation split (run.holdout = N makes one)"
    return f"{select} is undefined on the validation split"
