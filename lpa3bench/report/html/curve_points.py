"""What a curve had cost at each of its points, and how far it was from another one at that cost."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal

from lpa3bench.stats.curves import MeanCurve

CurveAxis = Literal["passes", "epochs", "seconds"]
CURVE_AXES: tuple[CurveAxis, ...] = ("passes", "epochs", "seconds")
"""Cost first: methods differ in what an epoch takes."""


def costs_along(curve: MeanCurve, axis: CurveAxis) -> Sequence[float]:
    """What each point of the curve has cost."""
    if axis == "epochs":
        return curve.epochs
    return curve.passes if axis == "passes" else curve.seconds


def differences_along(curve: MeanCurve, base: MeanCurve, axis: CurveAxis) -> Iterator[tuple[float, float]]:
    """Cost, and by how much the curve is above its baseline's at that cost; beyond its end, above its last.

    Where the baseline has no score yet there is no difference.
    """
    theirs = costs_along(base, axis)
    for cost, value in zip(costs_along(curve, axis), curve.mean, strict=True):
        if cost >= theirs[0]:
            yield cost, value - _at(theirs, base.mean, cost)


def _at(costs: Sequence[float], values: Sequence[float], cost: float) -> float:
    """The value at that cost, on straight lines between the points."""
    after = bisect_right(costs, cost)
    if after == len(costs):
        return values[-1]
    share = (cost - costs[after - 1]) / (costs[after] - costs[after - 1])
    return values[after - 1] + share * (values[after] - values[after - 1])
