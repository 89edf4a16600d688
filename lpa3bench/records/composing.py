"""A record from what a run has seen: its scores, and why a score is not defined.

All accuracies are shares in [0, 1]. `metrics` holds only numbers that a rerun reproduces; a number that the
run does not define is null, and `flags` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import mean, median
from typing import Any

from lpa3bench.records.bits import pack
from lpa3bench.records.summary import MetricKind

SCHEMA_VERSION = 1
"""Of the record's form; `schema.json` says what it is."""
PROTOCOL_VERSION = 1
"""Of how runs are trained and scored: raised where numbers from before could not stand beside new ones."""
LAST = ((10, "mean_last_10", mean), (20, "mean_last_20", mean), (20, "median_last_20", median))
"""Averages over so many last epochs."""
SELECTED_BY = {"accuracy": "val", "auc": "val_auc", "macro_auc": "val_auc"}
"""The column of the curve that an epoch is selected by, for each value of `run.select`."""


def _older_columns(row: dict[str, Any], select: str) -> dict[str, Any]:
    """The columns as schema 1 called them."""
    named = {"accuracy": "", "macro_auc": "_auc"} if select == "macro_auc" else {"accuracy": ""}
    return {
        f"{split}{suffix}": row[f"{split}/{metric}"]
        for split in ("val", "test")
        for metric, suffix in named.items()
        if f"{split}/{metric}" in row
    }


def metrics(
    curve: list[dict[str, Any]], select: str = "accuracy"
) -> tuple[dict[str, float | None], list[str]]:
    """The accuracies on the test set, and flags for those that are undefined.

    `last` is the last epoch's; `mean_last_10`, `mean_last_20` and `median_last_20` are over the last epochs,
    as papers of several traditions report them; `val_selected` is that of the epoch with the best validation
    score (the first of equals); `oracle_best` the best of all epochs, which looks at the test set and is
    nobody's accuracy. With `select = "auc"` there are also `auc_last`, `auc_val_selected` (of the same epoch
    as `val_selected`) and `auc_oracle_best`.

    Args:
        curve: a row per epoch with "test" and, where there is a validation split, "val"; with "test_auc" and
            "val_auc" where they are selected by.
        select: `run.select`.

    Raises:
        ValueError: the curve is empty.
    """
    if not curve:
        raise ValueError("curve: holds no epoch")
    flags: list[str] = []
    test = [row["test"] for row in curve]
    numbers: dict[str, float | None] = {"last": test[-1]}
    for length, name, average in LAST:
        numbers[name] = average(test[-length:]) if len(test) >= length else None
    if short := [name for name, value in numbers.items() if value is None]:
        flags.append(f"null because the run has only {len(test)} epochs: {', '.join(short)}")
    chosen = _selected(curve, SELECTED_BY.get(select, f"val/{select}"))
    numbers["val_selected"] = None if chosen is None else test[chosen]
    if chosen is None:
        flags.append(f"val_selected is null: {_why_unselected(curve)}")
    numbers["oracle_best"] = max(test)
    if select in ("auc", "macro_auc"):
        areas = [row["test_auc"] for row in curve]
        known = [area for area in areas if area is not None]
        numbers["auc_last"] = areas[-1]
        numbers["auc_val_selected"] = None if chosen is None else areas[chosen]
        numbers["auc_oracle_best"] = max(known, default=None)
        if len(known) < len(areas):
            flags.append(
                "the test AUC is null in some epochs: a class has no image, or a score is not finite"
            )
    return numbers, flags


summarised = metrics


def _selected(curve: list[dict[str, Any]], by: str) -> int | None:
    """The epoch with the best score of that name, the first of equals; None where there is no such column."""
    if any(by not in row for row in curve):
        return None
    scores = {epoch: row[by] for epoch, row in enumerate(curve) if row[by] is not None}
    return max(scores, key=lambda epoch: (scores[epoch], -epoch)) if scores else None


def _why_unselected(curve: list[dict[str, Any]]) -> str:
    if any("val" not in row for row in curve):
        return "there is no validation split (run.holdout = N makes one)"
    return "the validation AUC is undefined: a class has no image there"


def compose(
    *,
    cell: dict[str, Any],
    seed: int,
    curve: list[dict[str, Any]],
    select: str,
    metrics: Mapping[str, MetricKind] | None = None,
    details: Mapping[str, Any] | None = None,
    correct: list[bool],
    per_class: list[float | None],
    cost: dict[str, Any],
    labels: dict[str, Any],
    protocol: dict[str, Any],
    config: dict[str, str],
    provenance: dict[str, Any],
    resumed_from: list[int],
    unused: list[str],
) -> dict[str, Any]:
    """The record of a run that went to its end, from plain values."""
    curve = [row | _older_columns(row, select) for row in curve]
    numbers, flags = summarised(curve, select)
    flags += [f"{slot} was bound and never used: the run ended before the task came to it" for slot in unused]
    if protocol["limit"] == labels["training_images"]:
        flags.insert(0, f"not a result: only {labels['training_images']} training images (--limit)")
    return {
        "schema_version": SCHEMA_VERSION,
        "cell": cell,
        "seed": seed,
        "status": "ok",
        "metrics": numbers,
        "per_class": per_class,
        "curve": curve,
        "correct": pack(correct),
        "cost": cost,
        "labels": labels,
        "protocol": {"version": PROTOCOL_VERSION, **protocol},
        "config": config,
        "provenance": {**provenance, "finished": datetime.now(UTC).isoformat(timespec="seconds")},
        "resumed_from": resumed_from,
        "flags": flags,
    }
