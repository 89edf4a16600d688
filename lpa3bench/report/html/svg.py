"""The geometry of a line chart: ticks, scales and paths. What draws them is a template."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lpa3bench.report.numbers import signed_text

MOST_POINTS = 36
"""Of a line: more could not be told apart at the width of a small chart."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    """In pixels from the plot's left or upper edge."""
    text: str


@dataclass(frozen=True)
class Scale:
    """From values in [low, high] to pixels in [start, end]; a downward axis has start > end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where the value lies, in pixels."""
        if self.high == self.low:
            return self.start
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most: int = 6, least: float = 0.0) -> tuple[Tick, ...]:
        """Marks at round values, with as many decimals as their distance needs; see `round_values`."""
        values, decimals = round_values(self.low, self.high, most, least)
        return tuple(Tick(round(self(value), 1), signed_text(value, decimals)) for value in values)


def round_values(low: float, high: float, most: int = 6, least: float = 0.0) -> tuple[tuple[float, ...], int]:
    """At most so many values in [low, high] at a distance of 1, 2 or 5 times a power of ten.

    Args:
        least: a distance that they keep at any rate; 1 for what comes in whole numbers.

    Returns:
        The values, and how many decimals they need.
    """
    if not high > low:
        return (low,), 0 if low == int(low) else 2
    power = math.floor(math.log10((high - low) / most))
    steps = (factor * 10.0**exponent for exponent in (power, power + 1) for factor in (1, 2, 5))
    for step in (max(step, least) for step in steps):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return tuple(place * step for place in range(first, last + 1)), decimals


def thinned(length: int, most: int = MOST_POINTS) -> list[int]:
    """At most so many places of a sequence, evenly spread, the first and the last among them."""
    if length <= most:
        return [*range(length)]
    return [round(place * (length - 1) / (most - 1)) for place in range(most)]


def path(points: Sequence[tuple[float, float]]) -> str:
    """The `d` of a line through points, in whole pixels, each from the one before: `M0 10l3-1 3-2`."""
    places = [(round(x), round(y)) for x, y in points]
    steps = ((x - before_x, y - before_y) for (before_x, before_y), (x, y) in pairwise(places))
    text = " ".join(f"{x} {y}" if y >= 0 else f"{x}{y}" for x, y in steps).replace(" -", "-")
    return f"M{places[0][0]} {places[0][1]}" + (f"l{text}" if text else "")


def band(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> str:
    """The `d` of the area between two lines."""
    return path([*upper, *reversed(lower)]) + "z"


def dots(points: Sequence[tuple[float, float]]) -> str:
    """The `d` of lines without length: round caps make dots of them."""
    return "".join(f"M{round(x)} {round(y)}h0" for x, y in points)
