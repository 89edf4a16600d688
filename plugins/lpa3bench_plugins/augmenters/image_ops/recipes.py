"""Recipes: which operators are drawn, how strong and how often, as data that can be printed and hashed.

The published policies have one shape (draw some operators from a pool with replacement, apply each with some
probability, perhaps cut out a box at the end) and differ in everything else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median_low

from lpa3bench_plugins.augmenters.image_ops.catalogue import OPERATORS
from lpa3bench_plugins.augmenters.image_ops.cutout import Colour


@dataclass(frozen=True, kw_only=True)
class PoolEntry:
    """One operator of a pool."""

    op: str
    """A name of the catalogue."""
    values: tuple[float, ...] = ()
    """The magnitude at each level of the recipe; empty for an operator without one."""
    mirrored: tuple[float, ...] = ()
    """The magnitudes of the opposite sign, which is drawn one half of the time; empty: there is no sign."""
    probability: float = 1.0
    """Of being applied once drawn."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What happens to an image. Operators and levels are drawn uniformly, for each image and layer apart."""

    name: str
    pool: tuple[PoolEntry, ...]
    layers: int
    """Operators drawn, with replacement, and applied one after the other."""
    levels: int
    """Levels of magnitude to draw from."""
    together: int = 1
    """Neighbours in the pool that are drawn as one and applied in turn: 2 for AutoAugment's pairs. Divides
    the number of operators and that of layers."""
    cutout: int | None
    """Side in pixels of the box at the end; None: half the shorter side of the image; 0: no box."""
    colour: Colour = (127, 127, 127)
    """Of that box."""

    def __hash__(self) -> int:
        """Of a part: the engine looks recipes up for every batch, and the whole pool takes a while."""
        return hash((self.name, self.layers, self.levels, self.cutout))

    def cutout_side(self, height: int, width: int) -> int:
        """Side in pixels of the box at the end; 0: none."""
        return min(height, width) // 2 if self.cutout is None else self.cutout

    def usual_move(self) -> float:
        """How far an operator moves an image by a number of pixels at its middle level; 0: none does.

        Of the operator that moves farthest.
        """
        moves = [entry.values for entry in self.pool if OPERATORS[entry.op].unit == "pixels"]
        return max((median_low(map(abs, values)) for values in moves), default=0.0)

    def digest(self) -> str:
        """Twelve hexadecimal digits; recipes that differ in anything differ in them."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def describe(self) -> str:
        """Operators, probabilities and magnitudes, a line for each, in plain text."""
        drawn, choice = self.layers // self.together, len(self.pool) // self.together
        what = "operators" if self.together == 1 else f"sequences of {self.together} operators"
        side = "half the shorter side" if self.cutout is None else f"side {self.cutout}"
        return "\n".join(
            (
                f"{self.name}: {drawn} of {choice} {what} per image, drawn with replacement",
                *(f"  {line}" for line in self._pool_lines()),
                "then no cutout" if self.cutout == 0 else f"then cutout, {side}, colour {self.colour}",
            )
        )

    def _pool_lines(self) -> Iterator[str]:
        names = [f"{'then ' if i % self.together else ''}{entry.op}" for i, entry in enumerate(self.pool)]
        column = max(map(len, names))
        for name, entry in zip(names, self.pool, strict=True):
            yield f"{name:<{column}}  {_terms(entry)}".rstrip()


def _terms(entry: PoolEntry) -> str:
    """How strong and how often."""
    terms = []
    if entry.values:
        terms.append(f"{OPERATORS[entry.op].unit} {_listed(entry.values)}")
    if entry.mirrored:
        terms.append(f"or {_listed(entry.mirrored)}")
    if entry.probability < 1:
        terms.append(f"with probability {entry.probability:g}")
    return ", ".join(terms)


def _listed(values: tuple[float, ...]) -> str:
    texts = [f"{value + 0.0:.5g}" for value in values]  # no -0
    return " ".join(texts) if len(texts) <= 9 else f"{texts[0]} … {texts[-1]} in {len(texts)} levels"
