"""Numbers as a reader sees them. What is undefined is a dash."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lpa3bench.boards.board import Measure

IMAGES = Measure(key="images", name="share of the test images", text="", unit="%")
"""What is counted on images: of a class, or where two methods differ. It has no other unit, whatever a board
or a comparison measures."""
MISSING = "–"
MINUS = "−"


def format_value(number: float | None, measure: Measure) -> str:
    """A number of that measure, without its unit: a share of 0.98314 is `98.31`, in per cent.

    A cost has three significant digits, and all of them before the point.
    """
    if number is None:
        return MISSING
    decimals = 2 if measure.unit == "%" else _decimals(number)
    return signed_text(scale_of(measure) * number, decimals)


def format_difference(number: float | None, measure: Measure) -> str:
    """A difference between two numbers of that measure, always with its sign; of shares, in points."""
    text = format_value(number, measure)
    return text if number is None or text.startswith(MINUS) or not text.strip("0.") else f"+{text}"


def format_mean(mean: float | None, std: float | None, measure: Measure) -> str:
    """A mean and its standard deviation, as `98.31 ± 0.42`; of one run the mean alone."""
    text = format_value(mean, measure)
    return text if mean is None or std is None else f"{text} ± {format_value(std, measure)}"


def scale_of(measure: Measure) -> int:
    """What its numbers are multiplied by before they are shown."""
    return 100 if measure.unit == "%" else 1


def unit_text(measure: Measure) -> str:
    """What stands after a number of that measure: " %", " nats", or nothing."""
    return f" {measure.unit}" if measure.unit else ""


def unit_of_difference(measure: Measure) -> str:
    """What stands after a difference: " points" between shares."""
    return " points" if measure.unit == "%" else unit_text(measure)


def in_unit(measure: Measure) -> str:
    """What a heading over numbers of that measure ends with: ", in %", ", in nats", or nothing."""
    return f", in {measure.unit}" if measure.unit else ""


def in_unit_of_difference(measure: Measure) -> str:
    """The same over differences: ", in percentage points" between shares."""
    return ", in percentage points" if measure.unit == "%" else in_unit(measure)


def format_percent(share: float | None) -> str:
    """A share in [0, 1] in per cent, without the sign."""
    return MISSING if share is None else signed_text(100 * share, 2)


def _decimals(number: float) -> int:
    """As many as three significant digits take, two for zero."""
    return min(max(2 - math.floor(math.log10(abs(number))), 0), 6) if number else 2


def format_p(p: float | None) -> str:
    """A p-value with two significant digits; what is smaller than 0.001 is only said to be."""
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def format_count(count: float | None) -> str:
    """A large count with three significant digits: `72100` is `72.1 k`."""
    if count is None:
        return MISSING
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{_three(count / size)} {letter}"
    return _three(count)


def format_seconds(seconds: float | None) -> str:
    """Seconds, minutes or hours, with three significant digits."""
    if seconds is None:
        return MISSING
    size, unit = time_unit(seconds)
    return f"{_three(seconds / size)} {unit}"


def time_unit(seconds: float) -> tuple[float, str]:
    """The unit to give so many seconds in: its length in seconds, and its sign."""
    if seconds < 120:
        return 1.0, "s"
    return (60.0, "min") if seconds < 7200 else (3600.0, "h")


def _three(number: float) -> str:
    """Three significant digits, and all of them before the point: `1230` stays so."""
    if number >= 100 or number == int(number):
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def signed_text(number: float, digits: int) -> str:
    """A number with so many decimals, with a minus where it is below zero, and never before a zero."""
    text = f"{number:.{digits}f}"
    if not text.strip("-0."):
        return text.lstrip("-")
    return text.replace("-", MINUS)


def format_seeds(seeds: Sequence[int]) -> str:
    """`100 to 111`, or where they do not follow each other `0, 3, 7`."""
    first, last = seeds[0], seeds[-1]
    if len(seeds) > 2 and [*seeds] == [*range(first, last + 1)]:
        return f"{first} to {last}"
    return ", ".join(map(str, seeds))
