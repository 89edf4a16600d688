"""What metrics say of predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lpa3bench.api import Metric
from lpa3bench.errors import PluginError, blamed
from lpa3bench.records.limits import DEEPEST, countable, too_deep
from lpa3bench.records.summary import CurveRow, MetricKind, column
from lpa3bench.training.predictions import Predictions


def number(metric: Metric, predicted: Predictions) -> float | None:
    """The metric's number; None where it is undefined, not finite or too large for a record.

    Raises:
        PluginError: the metric failed, or returned something else.
    """
    name = f"{type(metric).__name__}.compute"
    with blamed(name):
        value = metric.compute(predicted.probs, predicted.labels)
    if value is None:
        return None
    if not isinstance(value, int | float):
        raise PluginError(f"{name} returned a {type(value).__name__}, not a float or None")
    return float(value) if countable(value) else None


def scores(metrics: Sequence[Metric], predicted: Mapping[str, Predictions]) -> dict[str, float | None]:
    """A row's columns `<split>/<metric>`, those of the first metric first."""
    return {
        column(split, metric.name): number(metric, its)
        for metric in metrics
        if not metric.detail_only
        for split, its in predicted.items()
    }


def begun_with(metrics: Sequence[Metric], curve: Sequence[CurveRow]) -> tuple[Metric, ...]:
    """Those that every epoch so far was scored by. One that was added since is computed later, from the
    predictions, and leaves no curve with a gap.

    Args:
        metrics: the selecting one first.
    """
    scored = [row for row in curve if column("test", metrics[0].name) in row]
    return tuple(m for m in metrics if m.detail_only or all(column("test", m.name) in row for row in scored))


def kinds(metrics: Sequence[Metric]) -> dict[str, MetricKind]:
    """What a record says of each metric that has a number, by name."""
    return {metric.name: kind_of(metric) for metric in metrics if not metric.detail_only}


def kind_of(metric: Metric) -> MetricKind:
    return MetricKind(metric.title, metric.unit, metric.higher_is_better, metric.counts, metric.undefined)


def details(metrics: Sequence[Metric], predicted: Predictions) -> dict[str, Any]:
    """What is no number, by metric; only of those that have something to say.

    Raises:
        PluginError: a metric failed, or returned what a record cannot hold.
    """
    found = {}
    for metric in metrics:
        name = f"{type(metric).__name__}.detail"
        with blamed(name):
            detail = metric.detail(predicted.probs, predicted.labels)
        try:
            json.dumps(detail, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:
            raise PluginError(f"{name}: must be plain numbers, strings, lists and dicts ({error})") from error
        if too_deep(detail, DEEPEST - 1):
            raise PluginError(f"{name}: must not be nested more than {DEEPEST - 1} deep")
        if detail is not None:
            found[metric.name] = detail
    return found
