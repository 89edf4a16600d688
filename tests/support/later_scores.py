"""Made-up scores of stored weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from lpa3bench.records import Record
from lpa3bench.records.later_scores import LaterScores, ScoredCondition, ScoreKind
from lpa3bench.types import CORRUPTIONS, CORRUPTIONS_VERSION, SEVERITIES

METRIC_KINDS = {
    "accuracy": ScoreKind("accuracy", "%", True),
    "nll": ScoreKind("negative log-likelihood", "nats", False),
}


def made_up_scores(
    record: Record, accuracy: Callable[[str, int], float | None], *, scaled: bool = False, **other: Any
) -> LaterScores:
    """Of a record's run under all corruptions, with the accuracy of each kind and severity; the NLL is 1 less
    that, and half of it after temperature scaling."""

    def condition(kind: str, severity: int) -> ScoredCondition:
        share = accuracy(kind, severity)
        nll = None if share is None else 1 - share
        after = {"nll": None if nll is None else nll / 2}
        return ScoredCondition(kind, severity, {"accuracy": share, "nll": nll}, after if scaled else {})

    made = LaterScores(
        schema_version=CORRUPTIONS_VERSION,
        purpose="score",
        on="corruptions",
        run=str(record),
        trained=record.data.provenance.finished,
        weights="last",
        version=1,
        constants="CIFAR-C",
        images=10,
        data=record.data_hash,
        metrics=METRIC_KINDS,
        clean=condition("clean", 0),
        conditions=tuple(condition(kind, severity) for kind in CORRUPTIONS for severity in SEVERITIES),
        whole=True,
        provenance=record.data.provenance,
        temperature=2.0 if scaled else None,
    )
    return msgspec.structs.replace(made, **other)
