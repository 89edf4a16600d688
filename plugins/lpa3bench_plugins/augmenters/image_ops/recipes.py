"""Recipes: which operators are drawn, how strong and how often, as data that can be printed and hashed.

The published variants of RandAugment have one shape (draw some operators from a pool with replacement, apply
each with some probability, perhaps cut out a box at the end) and differ in everything else.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from lpa3bench_plugins.augmenters.image_ops.catalogue import OPERATORS
from lpa3bench_plugins.augmenters.image_ops.cutout import Colour

Name = Literal["fixmatch", "fixmatch_paper", "generic", "torchvision"]
NAMES: tuple[Name, ...] = get_args(Name)
DRAW_THEIR_MAGNITUDES: tuple[Name, ...] = ("fixmatch", "fixmatch_paper")

STRONGEST = 30
"""Magnitudes that a user chooses count from 0 to this."""


@dataclass(frozen=True, kw_only=True)
class Entry:
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
    pool: tuple[Entry, ...]
    layers: int
    """Operators drawn, with replacement, and applied one after the other."""
    levels: int
    """Levels of magnitude to draw from."""
    cutout: int | None
    """Side in pixels of the box at the end; None: half the shorter side of the image; 0: no box."""
    colour: Colour = (127, 127, 127)
    """Of that box."""

    def cutout_side(self, height: int, width: int) -> int:
        """Side in pixels of the box at the end; 0: none."""
        return min(height, width) // 2 if self.cutout is None else self.cutout

    def longest_move(self) -> float:
        """The farthest that an operator of the pool moves an image by a number of pixels; 0: none does."""
        moves = [v for entry in self.pool if OPERATORS[entry.op].unit == "pixels" for v in entry.values]
        return max((abs(value) for value in moves), default=0.0)

    def digest(self) -> str:
        """Twelve hexadecimal digits; recipes that differ in anything differ in them."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def describe(self) -> str:
        """Operators, probabilities and magnitudes, a line for each, in plain text."""
        column = max(len(entry.op) for entry in self.pool)
        side = "half the shorter side" if self.cutout is None else f"side {self.cutout}"
        return "\n".join(
            (
                f"{self.name}: {self.layers} of {len(self.pool)} operators per image, drawn with replacement",
                *(f"  {entry.op:<{column}}  {_terms(entry)}".rstrip() for entry in self.pool),
                "then no cutout" if self.cutout == 0 else f"then cutout, {side}, colour {self.colour}",
            )
        )


def _terms(entry: Entry) -> str:
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
    return " ".join(f"{value:.5g}" for value in values)


def build(name: Name, *, layers: int, magnitude: int, cutout: int | None) -> Recipe:
    """The recipe of that name.

    Args:
        name: which.
        layers: operators per image.
        magnitude: 0 … 30, for `generic` and `torchvision`; the others draw theirs.
        cutout: side of the box at the end, 0 for none; None: the recipe's own, which is half the side of the
            image for `fixmatch` and `fixmatch_paper` and none for the others.
    """
    if name in DRAW_THEIR_MAGNITUDES:
        pool = _fixmatch_pool(0.5 if name == "fixmatch" else 1.0)
        return Recipe(name=name, pool=pool, layers=layers, levels=9, cutout=cutout)
    pool = _generic_pool(magnitude) if name == "generic" else _torchvision_pool(magnitude)
    return Recipe(name=name, pool=pool, layers=layers, levels=1, cutout=cutout or 0)


def _fixmatch_pool(probability: float) -> tuple[Entry, ...]:
    """FixMatch as released in PyTorch (kekmodel/FixMatch-pytorch; LP-A3 runs the same): level v of 1 … 9.

    Deviations of that code from the paper: a drawn operator is applied one half of the time only (the paper's
    authors: always); level 10 is never reached; and factors lie in 0.14 … 0.86, so that Brightness, Color,
    Contrast and Sharpness only darken, wash out or blur.
    """

    def of_ten(
        maximum: float, offset: float = 0.0, part: Callable[[float], float] = float
    ) -> tuple[float, ...]:
        return tuple(part(v * maximum / 10) + offset for v in range(1, 10))

    def entry(op: str, values: tuple[float, ...] = ()) -> Entry:
        return Entry(op=op, values=values, probability=probability)

    def signed(op: str, values: tuple[float, ...]) -> Entry:
        return Entry(op=op, values=values, mirrored=_opposite(values), probability=probability)

    return (
        entry("AutoContrast"),
        entry("Brightness", of_ten(0.9, 0.05)),
        entry("Color", of_ten(0.9, 0.05)),
        entry("Contrast", of_ten(0.9, 0.05)),
        entry("Equalize"),
        entry("Identity"),
        entry("Posterize", of_ten(4, 4, int)),
        signed("Rotate", of_ten(30, part=int)),
        entry("Sharpness", of_ten(0.9, 0.05)),
        signed("ShearX", of_ten(0.3)),
        signed("ShearY", of_ten(0.3)),
        entry("Solarize", tuple(256 - amount for amount in of_ten(256, part=int))),
        signed("TranslateX", of_ten(0.3)),
        signed("TranslateY", of_ten(0.3)),
    )


def _generic_pool(magnitude: int) -> tuple[Entry, ...]:
    """The sixteen operators of the widely copied stand-alone PyTorch RandAugment, one magnitude of 30.

    Its oddities are kept: Solarize is weaker the larger the magnitude, Posterize too, translations are in
    pixels whatever the size of the image, and a box is one of the operators.
    """

    def between(low: float, high: float) -> float:
        return magnitude / STRONGEST * (high - low) + low

    def entry(op: str, *values: float) -> Entry:
        return Entry(op=op, values=values)

    def signed(op: str, value: float) -> Entry:
        return Entry(op=op, values=(value,), mirrored=(-value,))

    return (
        entry("AutoContrast"),
        entry("Equalize"),
        entry("Invert"),
        signed("Rotate", between(0, 30)),
        entry("Posterize", max(1, int(between(0, 4)))),
        entry("Solarize", between(0, 256)),
        entry("SolarizeAdd", int(between(0, 110))),
        entry("Color", between(0.1, 1.9)),
        entry("Contrast", between(0.1, 1.9)),
        entry("Brightness", between(0.1, 1.9)),
        entry("Sharpness", between(0.1, 1.9)),
        signed("ShearX", between(0, 0.3)),
        signed("ShearY", between(0, 0.3)),
        entry("CutoutAbs", between(0, 40)),
        signed("TranslateXabs", between(0, 100)),
        signed("TranslateYabs", between(0, 100)),
    )


def _torchvision_pool(magnitude: int) -> tuple[Entry, ...]:
    """The pool of `torchvision.transforms.RandAugment`, as it works on PIL images with its default settings.

    A sign moves the enhancement factors to either side of 1; translations count the other way round.
    """

    def entry(op: str, *values: float) -> Entry:
        return Entry(op=op, values=values)

    def pair(op: str, positive: float, negative: float) -> Entry:
        return Entry(op=op, values=(positive,), mirrored=(negative,))

    shear, change = _single_step(0.3, magnitude), _single_step(0.9, magnitude)
    shift = magnitude * (150 / 331) / STRONGEST
    return (
        entry("Identity"),
        pair("ShearX", shear, -shear),
        pair("ShearY", shear, -shear),
        pair("TranslateX", -shift, shift),
        pair("TranslateY", -shift, shift),
        pair("Rotate", magnitude, -magnitude),
        pair("Brightness", 1 + change, 1 - change),
        pair("Color", 1 + change, 1 - change),
        pair("Contrast", 1 + change, 1 - change),
        pair("Sharpness", 1 + change, 1 - change),
        entry("Posterize", 8 - round(magnitude * 4 / STRONGEST)),
        entry("Solarize", 255 - magnitude * 255 / STRONGEST),
        entry("AutoContrast"),
        entry("Equalize"),
    )


def _single_step(most: float, magnitude: int) -> float:
    """`torch.linspace(0, most, 31)[magnitude]`, from which torchvision takes magnitudes, on any hardware.

    Single precision, counted from the nearer end. A magnitude off by one rounding would change a byte here
    and there.
    """
    step = _single(_single(most) / STRONGEST)
    if magnitude <= STRONGEST // 2 - 1:
        return _single(step * magnitude)
    return _single(_single(most) - step * (STRONGEST - magnitude))


def _single(value: float) -> float:
    """Rounded to single precision."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def _opposite(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(-value for value in values)
