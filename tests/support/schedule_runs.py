"""Made-up runs of a few methods on schedules of three lengths."""

from __future__ import annotations

from collections.abc import Callable

from lpa3bench.records import Record
from support.small_records import bits, small_record

COST = {"": 1.0, "PGD": 2.0, "VAT": 2.4, "LPA3": 3.0, "A<b>&": 4.0}
"""Times the passes of the task alone."""
LENGTHS = {"short": 1, "whole": 2, "double": 4}
"""Epochs."""


def on_schedule(augmenter: str, setting: str, seed: int, right: int, **more: str) -> Record:
    """A run with so many of a thousand images right, of a method's thousands of passes in each epoch.

    Args:
        more: further values in force.
    """
    epochs = LENGTHS[setting]
    slots = {"strong": "RandAugment"} | ({"positives": augmenter} if augmenter else {})
    own = {"positives/LPA3.warmup_steps": str(epochs)} if augmenter == "LPA3" else {}
    return small_record(
        bits(right, 1000), seed=seed, task="FixMatch", setting=setting, slots=slots,
        earlier=[0.1] * (epochs - 1), passes=1000 * COST[augmenter] * epochs,
        identity=augmenter + setting, name="made",
        config={"FixMatch.mu": "7", "FixMatch.warmup_steps": str(epochs)} | own | more,
    )  # fmt: skip


def grid(score: Callable[[str, str, int], int], seeds: int = 8, names: str = " PGD LPA3") -> list[Record]:
    return [
        on_schedule(augmenter, setting, seed, score(augmenter, setting, seed))
        for augmenter in names.split(" ")
        for setting in LENGTHS
        for seed in range(seeds)
    ]
