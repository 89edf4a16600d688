"""A record from what a run has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from lpa3bench.records.bits import pack
from lpa3bench.records.schema import (
    PROTOCOL_VERSION,
    SCHEMA_VERSION,
    PerClass,
    Purpose,
    RecordData,
    RunIdentity,
    digest_of,
)
from lpa3bench.records.summary import CurveRow, MetricKind, summarise_curve


def compose(
    *,
    cell: Mapping[str, Any],
    seed: int,
    curve: Sequence[CurveRow],
    select: str,
    metrics: Mapping[str, MetricKind],
    details: Mapping[str, Any],
    correct: Sequence[bool],
    per_class: PerClass,
    cost: Mapping[str, Any],
    labels: Mapping[str, Any],
    protocol: Mapping[str, Any],
    config: Mapping[str, str],
    identity: RunIdentity,
    provenance: Mapping[str, Any],
    resumed_from: Sequence[int],
    unused: Sequence[str],
    warnings: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
    purpose: Purpose = "result",
) -> RecordData:
    """The record of a run that went to its end.

    Args:
        cell: the fields of `CellOfRun` but `identity`.
        curve: as `summarise_curve` takes it, with `metrics` and `select`.
        correct: which test images were right at the last epoch.
        cost, protocol, provenance: the fields of `Cost`, `Protocol` (but `version`) and `Provenance` (but
            `finished`).
        unused: slots that were bound and that the run never came to.
        warnings: what is odd about the data.
        data: what they are.

    Raises:
        ValueError: a part is malformed; the message says which.
    """
    never = "was bound and never used: the run ended before the task came to it"
    flags = [*warnings, *(f"{slot} {never}" for slot in unused)]
    if protocol["limit"] is not None and protocol["limit"] == labels["training_images"]:
        flags.insert(0, f"not a result: only {labels['training_images']} training images (--limit)")
    record = msgspec.convert(
        {
            "schema_version": SCHEMA_VERSION,
            "purpose": purpose,
            "cell": {**cell, "identity": identity.short},
            "seed": seed,
            "status": "ok",
            "select": select,
            "metrics": summarise_curve(curve, metrics, select),
            "per_class": per_class,
            "curve": curve,
            "correct": pack(correct),
            "cost": cost,
            "labels": labels,
            "protocol": {"version": PROTOCOL_VERSION, **protocol},
            "config": config,
            "identity": identity,
            "provenance": {**provenance, "finished": datetime.now(UTC).isoformat(timespec="seconds")},
            "resumed_from": resumed_from,
            "flags": flags,
            "details": details,
            "data": data or {},
        },
        RecordData,
    )
    return msgspec.structs.replace(record, digest=digest_of(record))
