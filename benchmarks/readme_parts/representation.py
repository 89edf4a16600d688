"""What trained networks keep of label and nuisances: the tables of docs/representation.md."""

from __future__ import annotations

from collections.abc import Callable

from lpa3bench.report.figures.information import (
    Information,
    difference_table,
    information_of,
    information_table,
    read_bits,
)
from readme_parts.page import ROOT


def measured() -> Information:
    return information_of(read_bits(ROOT / "leaderboards" / "figures" / "information_nuisances.json"))


def seeds() -> str:
    """How many arms there are, and runs of each."""
    arms = measured().arms
    return f"{len(arms)} arms, {min(len(arm.bits['label']) for arm in arms)} seeds each"


PARTS: dict[str, Callable[[], str]] = {
    "representation.bits": lambda: information_table(measured()),
    "representation.differences": lambda: difference_table(measured()),
    "representation.seeds": seeds,
}
