"""What the paper claims, beside what its own tables and the digits of this suite have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from readme_parts.measured import DIGITS, against, outcome
from readme_parts.page import board, cells, percent, table
from readme_parts.paper import counted, published

PAIRS = {
    "FixMatch": ("table1.fixmatch_lpa3", "table1.fixmatch"),
    "DivideMix": ("table2.dividemix_lpa3", "table2.dividemix"),
    "PES": ("table2.pes_lpa3", "table2.pes"),
    "ResNet-18": ("table3.resnet18_lpa3", "table3.resnet18"),
    "ResNet-50": ("table3.resnet50_lpa3", "table3.resnet50"),
}
"""LP-A3's row and its baseline's."""
RANDAUGMENT = {
    net: (f"{plain}_randaugment", plain) for net, (_, plain) in PAIRS.items() if net.startswith("ResNet")
}


@dataclass(frozen=True)
class Gain:
    """Of a cell of the paper: method less baseline, in points."""

    name: str
    method: str
    baseline: str
    """As printed."""
    points: float
    spread: float | None
    """The larger of the deviations that are printed; None: there is none."""

    def __str__(self) -> str:
        points = percent(self.points / 100, sign=True)
        return f"{self.name}: {self.method} against {self.baseline} ({points})"


def gains(rows: dict[str, tuple[str, str]]) -> Iterator[Gain]:
    for name, (method, baseline) in rows.items():
        ours, theirs = (published()[f"lpa3.{key}"] for key in (method, baseline))
        for column, claim in ours.items():
            plain = theirs[column]
            stds = [100 * std for std in (claim.std, plain.std) if std is not None]
            difference = 100 * (claim.mean - plain.mean)
            yield Gain(f"{name}, {column}", claim.printed, plain.printed, difference, max(stds, default=None))


def below() -> str:
    """Cells in which LP-A3 is below its baseline."""
    found = [*gains(PAIRS)]
    lower = [str(gain) for gain in found if gain.points < 0]
    return f"{'; '.join(lower) or 'none'}; in the other {len(found) - len(lower)} of {len(found)} it is above"


def within_spread() -> str:
    """Gains that are not larger than the deviation that is printed beside them."""
    found = [*gains(PAIRS)]
    small = [gain for gain in found if gain.spread is not None and 0 <= gain.points <= gain.spread]
    told = (f"{gain.name} ({percent(gain.points / 100, sign=True)})" for gain in small)
    return f"{len(small)} of {len(found)}: {', '.join(told)}"


def medmnist() -> str:
    """The largest gains of Table 3, and how many reach two points."""
    found = [gain for gain in gains(PAIRS) if gain.name.startswith("ResNet")]
    largest = max(found, key=lambda gain: gain.points)
    reached = sum(gain.points >= 2 for gain in found)
    return f"{reached} of {len(found)} cells; the largest gain is {largest}"


def randaugment() -> str:
    """Cells of Table 3 in which RandAugment is above the plain network."""
    found = [*gains(RANDAUGMENT)]
    above = [gain for gain in found if gain.points > 0]
    return f"{len(above)} of {len(found)} cells: {'; '.join(map(str, above))}"


def convergence() -> str:
    """What it takes on digits to come to the baseline's last score for the first time."""
    of = cells(board("digits"))
    rows = []
    for column, name in DIGITS.items():
        (passes,) = (c for c in against(of["lpa3", column])["costs"] if c["axis"] == "passes")
        reach = passes["to_target"]
        ratio = "more than half never do" if reach["ratio"] is None else f"{reach['ratio']:.1f} ×"
        whole = of["lpa3", column]["passes"] / of["none", column]["passes"]
        rows.append([name, ratio, f"{reach['reached']} of {reach['n']}", f"{whole:.1f} ×"])
    head = ["digits", "passes, times the baseline's (median over pairs)", "pairs that reach it"]
    return table([*head, "whole training"], rows)


def equal_cost() -> str:
    """LP-A3 less plain training for as many passes, as the board compares them."""
    of, rows = cells(board("digits")), []
    for column, name in DIGITS.items():
        found = against(of["lpa3", column], "equal_cost")
        rows.append([name, percent(found["difference"], sign=True), outcome(found), str(found["n"])])
    return table(["digits", "LP-A3 less the task alone at its cost, points", "shown", "pairs"], rows)


def cost() -> str:
    """Forward equivalents of FixMatch's run with LP-A3 at the published ratio, times those without."""
    of = counted()["rows"]
    plain, attacked = (
        of[f"cifar10_fixmatch{more} --setting labels40"]["forward_equivalents"]
        for more in ("", " augmenters/lpa3")
    )
    return f"{attacked / plain:.1f}"


PARTS = {
    "claims.below": below,
    "claims.within_spread": within_spread,
    "claims.medmnist": medmnist,
    "claims.randaugment": randaugment,
    "claims.convergence": convergence,
    "claims.equal_cost": equal_cost,
    "claims.cost": cost,
}
