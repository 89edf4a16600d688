"""What plugins ask of their parameters, each with the line that says what is wrong. NaN is never right."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf


def positive(**values: float) -> None:
    """Raises ValueError for the first parameter that is not above 0 and finite."""
    for name, value in values.items():
        if not 0 < value < inf:
            raise ValueError(f"{name}: must be > 0 and finite, not {value}")


def not_negative(**values: float) -> None:
    """Raises ValueError for the first parameter that is below 0 or not finite."""
    for name, value in values.items():
        if not 0 <= value < inf:
            raise ValueError(f"{name}: must be >= 0 and finite, not {value}")


def at_least(least: int, **values: int) -> None:
    """Raises ValueError for the first parameter below `least`."""
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name}: must be >= {least}, not {value}")


def below_one(**values: float) -> None:
    """Raises ValueError for the first parameter outside [0, 1)."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}: must be in [0, 1), not {value}")


def fraction(**values: float) -> None:
    """Raises ValueError for the first parameter outside [0, 1]."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: must be in [0, 1], not {value}")


def one_of(choices: Sequence[str], **values: str) -> None:
    """Raises ValueError for the first parameter that is none of the choices."""
    for name, value in values.items():
        if value not in choices:
            raise ValueError(f"{name}: must be {' or '.join(map(repr, choices))}, not {value!r}")
