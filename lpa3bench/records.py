"""The record of a finished run, `result.json`: what later commands go by, and nothing else.

All accuracies are shares in [0, 1]. `metrics` holds only numbers that a rerun reproduces; a number that the
run does not define is null, and `flags` says why.
"""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime
from typing import Any

SCHEMA_VERSION = 1
LAST = 20


def metrics(curve: list[dict[str, Any]]) -> tuple[dict[str, float | None], list[str]]:
    """The four accuracies on the test set, and flags for those that are undefined.

    `last` is the last epoch's; `mean_last_20` the mean of the last twenty epochs'; `val_selected` that of
    the epoch with the best validation accuracy (the first of equals); `oracle_best` the best of all epochs,
    which looks at the test set and is nobody's accuracy.

    Args:
        curve: a row per epoch with "test" and, where there is a validation split, "val".

    Raises:
        ValueError: the curve is empty.
    """
    if not curve:
        raise ValueError("curve: holds no epoch")
    test = [row["test"] for row in curve]
    flags = []
    tail = None
    if len(test) >= LAST:
        tail = sum(test[-LAST:]) / LAST
    else:
        flags.append(f"mean_last_{LAST} is null: the run has fewer than {LAST} epochs")
    selected = None
    val = [row.get("val") for row in curve]
    if all(v is not None for v in val):
        selected = test[max(range(len(val)), key=lambda i: (val[i], -i))]
    else:
        flags.append("val_selected is null: there is no validation split (run.holdout = N makes one)")
    return {
        "last": test[-1],
        f"mean_last_{LAST}": tail,
        "val_selected": selected,
        "oracle_best": max(test),
    }, flags


def compose(
    *,
    cell: dict[str, Any],
    seed: int,
    curve: list[dict[str, Any]],
    correct: list[bool],
    per_class: list[float | None],
    cost: dict[str, Any],
    labels: dict[str, Any],
    protocol: dict[str, Any],
    provenance: dict[str, Any],
    resumed_from: list[int],
    unused: list[str],
) -> dict[str, Any]:
    """The record of a run that went to its end, from plain values."""
    numbers, flags = metrics(curve)
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
        "protocol": protocol,
        "provenance": {**provenance, "finished": datetime.now(UTC).isoformat(timespec="seconds")},
        "resumed_from": resumed_from,
        "flags": flags,
    }


def pack(correct: list[bool]) -> dict[str, Any]:
    """Which test images were predicted right, as bits: {"n", "bits"} with base64 of zlib of the bytes."""
    padded = correct + [False] * (-len(correct) % 8)
    octets = bytes(
        sum(bit << (7 - k) for k, bit in enumerate(padded[i : i + 8])) for i in range(0, len(padded), 8)
    )
    return {"n": len(correct), "bits": base64.b64encode(zlib.compress(octets, 9)).decode()}


def unpack(packed: dict[str, Any]) -> list[bool]:
    """What `pack` was given."""
    octets = zlib.decompress(base64.b64decode(packed["bits"]))
    return [bool(octets[i // 8] >> (7 - i % 8) & 1) for i in range(packed["n"])]
