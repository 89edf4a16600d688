"""Records of schema 1, read as if they were of this one.

Schema 1 knew accuracy and, where a run selected by it, the area under the ROC curve, as columns "test" and
"test_auc". It told an engine by a digest of its sources, and an identity by a recipe that took every value
and every source in; `upgraded` gives a record the identity that a run of the same cell has today.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lpa3bench.records.bits import unpack
from lpa3bench.records.schema import (
    PROTOCOL_VERSION,
    SCHEMA_VERSION,
    PackedBits,
    RecordData,
    RunIdentity,
    digest_of,
)
from lpa3bench.records.summary import LAST, MetricKind, column, summarise_curve

NUMERICS_OF_ENGINE = {"d96fb4873683e697": 1}
"""The numerics version of engines by the digest that schema 1 knew them by."""
_ACCURACY = MetricKind("accuracy", "%", True, True, "it is not finite")
_MACRO_AUC = MetricKind(
    "macro AUC", "%", True, False, "a class has no image, or a predicted probability is not finite"
)
_COLUMNS = {
    "test": column("test", "accuracy"),
    "val": column("val", "accuracy"),
    "test_auc": column("test", "macro_auc"),
    "val_auc": column("val", "macro_auc"),
}
SAID_ELSEWHERE = ("null because the run has only", "val_selected is null:", "the test AUC is null")
"""Flags that stand beside the numbers now."""
CLOSE = 1e-9
"""Shares that are equal but for rounding."""


def from_version_1(old: Any) -> RecordData:
    """The record in the form of today, with the identity that it was written with.

    Args:
        old: the decoded JSON.

    Raises:
        msgspec.ValidationError: it is no record of schema 1.
        ValueError: it contradicts itself.
    """
    try:
        return _converted(old)
    except KeyError as error:
        raise msgspec.ValidationError(f"{error} is missing (schema 1)") from error
    except (TypeError, AttributeError, IndexError, ArithmeticError) as error:
        raise msgspec.ValidationError(f"not the form of schema 1: {error}") from error


def _converted(old: Mapping[str, Any]) -> RecordData:
    where, area = old["provenance"], "test_auc" in old["curve"][0]
    select = "macro_auc" if area else "accuracy"
    curve = tuple({_COLUMNS.get(name, name): value for name, value in row.items()} for row in old["curve"])
    kinds = {"accuracy": _ACCURACY, **({"macro_auc": _MACRO_AUC} if area else {})}
    metrics = summarise_curve(curve, kinds, select)
    for name, value in old["metrics"].items():
        metric = "macro_auc" if name.startswith("auc_") else "accuracy"
        rule = name.removeprefix("auc_")
        found = metrics[metric].scores.get(rule) if metric in metrics else None
        if found != value:
            raise ValueError(f"metrics.{name} is {value}, and the curve says {found}")
    right = unpack(msgspec.convert(old["correct"], PackedBits))
    share, last = sum(right) / len(right), metrics["accuracy"].scores[LAST]
    if last is None or abs(share - last) > CLOSE:
        raise ValueError(f"{share:.6f} of the bits are right, and metrics.last is {last}")
    engine = where["engine"]
    identity = {
        "recipe": 1,
        "config": {name: text.replace("'auc'", "'macro_auc'") for name, text in old["config"].items()},
        "data": where["data_sha256"],
        "labels": None,
        "limit": old["protocol"]["limit"],
        "numerics": NUMERICS_OF_ENGINE.get(engine, 0),
        "plugins": where["plugin_sources"],
    }
    known = ("versions", "plugins", "plugin_sources", "platform", "git_commit", "command", "device",
             "threads", "finished")  # fmt: skip
    selection = old["protocol"].get("selection")
    data = msgspec.convert(
        {
            "schema_version": SCHEMA_VERSION,
            "purpose": "result",
            **{name: old[name] for name in ("cell", "seed", "status", "correct", "cost", "labels")},
            "select": select,
            "metrics": metrics,
            "per_class": {"names": (), "shares": old["per_class"]},
            "curve": curve,
            "protocol": {
                **old["protocol"],
                "version": old["protocol"].get("version", PROTOCOL_VERSION),
                "selection": _COLUMNS.get(selection, selection),
            },
            "config": identity["config"],
            "identity": identity,
            "provenance": {
                **{name: where[name] for name in known},
                "engine_source": engine,
                "precision": _precision(where),
                "world_size": where.get("world_size", 1),
                "cpu_model": where["hardware"] if where["device"] == "cpu" else None,
                "gpu_name": None if where["device"] == "cpu" else where["hardware"],
            },
            "resumed_from": old["resumed_from"],
            "flags": [flag for flag in old["flags"] if not flag.startswith(SAID_ELSEWHERE)],
        },
        RecordData,
    )
    return msgspec.structs.replace(data, digest=digest_of(data))


def _precision(where: Mapping[str, Any]) -> str:
    """What was used: version 1 wrote down what was asked for."""
    if where["precision"] != "auto":
        return str(where["precision"])
    return "float32" if where["device"] == "cpu" else "bfloat16"


def upgraded(data: RecordData, identity: RunIdentity) -> RecordData:
    """The record under an identity of today's recipe."""
    cell = msgspec.structs.replace(data.cell, identity=identity.short)
    data = msgspec.structs.replace(data, cell=cell, identity=identity)
    return msgspec.structs.replace(data, digest=digest_of(data))
