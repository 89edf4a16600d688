"""Metrics of a run that was trained before them, from its stored predictions; and records that these
contradict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from lpa3bench.api import Metric
from lpa3bench.errors import DataError
from lpa3bench.records import Record
from lpa3bench.records.bits import unpack
from lpa3bench.records.schema import MetricOfRun, RecordData
from lpa3bench.records.summary import LAST, RULES, VAL_SELECTED
from lpa3bench.training.predictions import StoredPredictions, read_predictions
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.training.scoring import details, number

RELATIVE = 1e-6
"""How much two computations of one number may differ: a metric's sums may run in another order elsewhere."""
NO_CURVE = "computed later from predictions.npz, which holds the last and the selected epoch alone"
NOT_SELECTED = "computed later from predictions.npz, which holds no selected epoch"


class LateMetrics(NamedTuple):
    """What goes into the record, by metric."""

    metrics: dict[str, MetricOfRun]
    details: dict[str, Any]


def late_metrics(folder: Path, metrics: Sequence[Metric]) -> LateMetrics:
    """Compute metrics from the predictions in a run directory.

    Raises:
        DataError: there are none, or they are damaged.
        PluginError: a metric failed.
    """
    path = RunDirectory(folder).predictions
    stored = read_predictions(path)
    if stored is None:
        raise DataError(f"{path}: holds no predictions with their labels, which a later metric needs")
    found = {metric.name: _late(metric, stored) for metric in metrics if not metric.detail_only}
    return LateMetrics(found, details(metrics, stored.last["test"]))


def with_metrics(record: Record, metrics: Sequence[Metric]) -> RecordData:
    """The record of a run directory with these metrics, computed later from its predictions. Those that the
    run itself computed stay as they are.

    Raises:
        DataError: there are no predictions, or they are damaged, or the record says something else than they.
        PluginError: a metric failed.
    """
    folder = record.path.parent
    late = late_metrics(folder, metrics)
    stored = read_predictions(RunDirectory(folder).predictions)
    assert stored is not None
    if wrong := contradicted(record.data, stored, metrics):
        raise DataError(f"its predictions contradict it: {wrong}", path=record.path)
    own = {name for name, metric in record.metrics.items() if metric.computed == "run"}
    new = {name: metric for name, metric in late.metrics.items() if name not in own}
    return msgspec.structs.replace(
        record.data,
        metrics={**record.data.metrics, **new},
        details={**record.data.details, **late.details},
    )


def _late(metric: Metric, stored: StoredPredictions) -> MetricOfRun:
    at = {LAST: stored.last, VAL_SELECTED: stored.selected}
    scores = {
        rule: number(metric, at[rule]["test"]) if "test" in at.get(rule, {}) else None for rule in RULES
    }
    reasons = {
        LAST: metric.undefined,
        VAL_SELECTED: metric.undefined if "test" in stored.selected else NOT_SELECTED,
    }
    return MetricOfRun(
        title=metric.title,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        scores=scores,
        counts=metric.counts,
        undefined={rule: reasons.get(rule, NO_CURVE) for rule, score in scores.items() if score is None},
        computed="later",
    )


def contradicted(record: RecordData, stored: StoredPredictions, metrics: Sequence[Metric]) -> str | None:
    """What the record says that its predictions contradict, in a few words; None: they agree.

    Args:
        record: of the same run.
        stored: what its `predictions.npz` holds.
        metrics: those that are looked at, where the record has them: a count must be the same, any other
            number up to a relative difference of `RELATIVE`.

    Raises:
        PluginError: a metric failed.
    """
    test = stored.last["test"]
    if unpack(record.correct) != test.correct.tolist():
        return "the images that it calls right are not those that predictions.npz has right"
    for metric in metrics:
        said = record.metrics.get(metric.name)
        if said is None or metric.detail_only:
            continue
        for rule, predicted in ((LAST, stored.last), (VAL_SELECTED, stored.selected)):
            if rule in said.scores and "test" in predicted:
                found = number(metric, predicted["test"])
                if not _alike(said.scores[rule], found, exact=metric.counts):
                    return f"{metric.name}.{rule} is {said.scores[rule]}, and predictions.npz says {found}"
    return None


def _alike(one: float | None, other: float | None, *, exact: bool) -> bool:
    if one is None or other is None:
        return one is other
    return one == other if exact else math.isclose(one, other, rel_tol=RELATIVE, abs_tol=1e-9)
