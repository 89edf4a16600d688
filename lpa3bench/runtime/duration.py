"""How long something takes, in words; and whether this machine has other things to do."""

from __future__ import annotations

import os

from lpa3bench.runtime.counting import counted
from lpa3bench.runtime.device import usable_cores

TIMED_DOUBT = 1.5
"""Times as long, or as short, that a run may take for which a few steps were timed."""
UNITS = ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172_800.0, 3600.0, "h"), (float("inf"), 86_400.0, "days"))
"""Up to how many seconds a unit is used, and how many it has."""
BUSY_SHARE = 0.5
"""Of the cores, that others keep busy."""


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`, `4 days`."""
    size, unit = _unit(seconds)
    return f"{_rounded(seconds / size)} {unit}"


def about(low: float, seconds: float, high: float) -> str:
    """`about 12 min (8 to 18 min)`, in one unit: that of the seconds that are expected."""
    size, unit = _unit(seconds)
    first, middle, last = (_rounded(number / size) for number in (low, seconds, high))
    return f"about {middle} {unit} ({first} to {last} {unit})"


def _unit(seconds: float) -> tuple[float, str]:
    return next((size, unit) for limit, size, unit in UNITS if seconds < limit)


def _rounded(number: float) -> str:
    return f"{number:.0f}" if number >= 10 or number == round(number) else f"{number:.1f}"


def busy() -> str | None:
    """What to say where others share this machine's cores; None: they are idle, or it is not known."""
    try:
        load = os.getloadavg()[0]
    except OSError:
        return None
    cores = usable_cores()
    if load - 1 <= BUSY_SHARE * cores:  # the one is this process
        return None
    return f"the machine is busy (load {load:.1f} on {counted(cores, 'core')}), and was timed so"
