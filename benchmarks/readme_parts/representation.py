"""What trained networks keep of label and nuisances: the tables of docs/representation.md."""

from __future__ import annotations

from collections.abc import Callable

from lpa3bench.report.figures.measured_bits import (
    Information,
    difference_table,
    information_of,
    information_table,
    read_bits,
)
from readme_parts.page import ROOT

FILE = ROOT / "leaderboards" / "figures" / "information_nuisances.json"
PICTURE = (
    "![Bits of the label and of each nuisance in trained representations, by augmenter, and differences "
    f"from the task without an augmenter.](../leaderboards/figures/{FILE.stem}.svg)"
)


def seeds(found: Information) -> str:
    """How many arms there are, and runs of each."""
    fewest = min(len(arm.bits["label"]) for arm in found.arms)
    return f"{len(found.arms)} arms, {fewest} {'seed' if fewest == 1 else 'seeds'} each"


def _made(of: Callable[[Information], str]) -> Callable[[], str]:
    """A part that says so where nothing is measured yet."""
    return lambda: of(information_of(read_bits(FILE))) if FILE.is_file() else "not measured yet"


PARTS: dict[str, Callable[[], str]] = {
    "representation.seeds": _made(seeds),
    "representation.bits": _made(information_table),
    "representation.differences": _made(difference_table),
    "representation.picture": _made(lambda _: PICTURE),
}
