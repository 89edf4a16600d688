"""Recipes: which operators are drawn, how strong and how often, as data that can be printed and hashed.

All published variants of RandAugment share one shape (draw n operators from a pool with replacement, apply
each with some probability, perhaps cut out a box at the end) and differ in everything else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from lpa3bench_plugins.augmenters.image_ops.catalogue import OPERATORS
from lpa3bench_plugins.augmenters.image_ops.cutout import Colour

SCALE = 30
"""Magnitudes that a user chooses are counted in thirtieths of an operator's range."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One operator of a pool."""

    op: str
    """A name of the catalogue."""
    values: tuple[float, ...] = ()
    """The magnitude at each level of the recipe; empty for an operator without one."""
    mirrored: tuple[float, ...] = ()
    """What stands for them when a negative sign is drawn (one half of the time); empty where none is."""
    probability: float = 1.0
    """Of being applied once drawn."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an image is augmented. All draws are uniform and independent, images and layers apart."""

    name: str
    pool: tuple[Entry, ...]
    layers: int
    """How many operators are drawn, with replacement, and applied one after the other."""
    levels: int
    """How many levels of magnitude there are; one is drawn for each layer."""
    cutout: int | None
    """Side in pixels of the box at the end; None: half the shorter side of the image; 0: no box."""
    fill: Colour = (127, 127, 127)
    """The colour of the box at the end."""

    def cutout_side(self, height: int, width: int) -> int:
        """Side in pixels of the box at the end; 0: none."""
        return min(height, width) // 2 if self.cutout is None else self.cutout

    def digest(self) -> str:
        """Twelve hexadecimal digits that differ for recipes that differ."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def describe(self) -> str:
        """Operators, probabilities and magnitudes as a table in plain text."""
        lines = [f"{self.name}: {self.layers} of {len(self.pool)} operators drawn per image, with replacement"]
        width = max(len(entry.op) for entry in self.pool)
        for entry in self.pool:
            chance = "" if entry.probability == 1 else f"  p {entry.probability:g}"
            lines.append(f"  {entry.op:<{width}}{chance}{_magnitudes(entry)}")
        side = "half the shorter side" if self.cutout is None else f"{self.cutout} px"
        colour = ", ".join(map(str, self.fill))
        lines.append("  no cutout at the end" if self.cutout == 0 else f"  then cutout, {side}, colour ({colour})")
        return "\n".join(lines)


def _magnitudes(entry: Entry) -> str:
    if not entry.values:
        return ""
    values = " ".join(f"{value:g}" for value in entry.values)
    opposite = f", or {' '.join(f'{value:g}' for value in entry.mirrored)}" if entry.mirrored else ""
    return f"  {OPERATORS[entry.op].unit} {values}{opposite}"


def _signed(op: str, values: tuple[float, ...], probability: float = 1.0) -> Entry:
    return Entry(op=op, values=values, mirrored=tuple(-v for v in values), probability=probability)


def fixmatch(*, layers: int, cutout: int | None, probability: float) -> Recipe:
    """FixMatch's control-theory-free RandAugment: levels 1 … 9 of 10, drawn anew for each operator.

    The released PyTorch code (kekmodel/FixMatch-pytorch, reused by LP-A3) applies a drawn operator with
    probability one half; the FixMatch paper describes operators that are always applied. It draws
    magnitudes from 1 … 9, so the strongest, 10, is never reached, and the factors of Brightness, Color,
    Contrast and Sharpness lie in 0.14 … 0.86: those operators only darken, wash out or blur.
    """
    levels = range(1, 10)

    def real(maximum: float, bias: float = 0.0) -> tuple[float, ...]:
        return tuple(v * maximum / 10 + bias for v in levels)

    def whole(maximum: int, bias: int = 0) -> tuple[float, ...]:
        return tuple(int(v * maximum / 10) + bias for v in levels)

    p = probability
    pool = (
        Entry(op="AutoContrast", probability=p),
        Entry(op="Brightness", values=real(0.9, 0.05), probability=p),
        Entry(op="Color", values=real(0.9, 0.05), probability=p),
        Entry(op="Contrast", values=real(0.9, 0.05), probability=p),
        Entry(op="Equalize", probability=p),
        Entry(op="Identity", probability=p),
        Entry(op="Posterize", values=whole(4, 4), probability=p),
        _signed("Rotate", whole(30), p),
        Entry(op="Sharpness", values=real(0.9, 0.05), probability=p),
        _signed("ShearX", real(0.3), p),
        _signed("ShearY", real(0.3), p),
        Entry(op="Solarize", values=tuple(256 - v for v in whole(256)), probability=p),
        _signed("TranslateX", real(0.3), p),
        _signed("TranslateY", real(0.3), p),
    )
    name = "fixmatch" if probability < 1 else "fixmatch_paper"
    return Recipe(
        name=name, pool=pool, layers=layers, levels=len(levels), cutout=cutout
    )


def generic(*, layers: int, cutout: int | None, magnitude: int) -> Recipe:
    """The 16-operator pool of the widely copied stand-alone PyTorch RandAugment (ildoonet), one magnitude of 30.

    Oddities of that pool, kept: Solarize's threshold grows with the magnitude, so a larger one is weaker;
    Posterize keeps more bits the larger it is; translations are in pixels whatever the image size; a box
    (CutoutAbs) is one of the operators, so nothing is cut out at the end unless a side is given.
    """

    def between(low: float, high: float) -> tuple[float, ...]:
        return (magnitude / SCALE * (high - low) + low,)

    factor = between(0.1, 1.9)
    pool = (
        Entry(op="AutoContrast"),
        Entry(op="Equalize"),
        Entry(op="Invert"),
        _signed("Rotate", between(0, 30)),
        Entry(op="Posterize", values=(max(1, int(between(0, 4)[0])),)),
        Entry(op="Solarize", values=between(0, 256)),
        Entry(op="SolarizeAdd", values=(int(between(0, 110)[0]),)),
        Entry(op="Color", values=factor),
        Entry(op="Contrast", values=factor),
        Entry(op="Brightness", values=factor),
        Entry(op="Sharpness", values=factor),
        _signed("ShearX", between(0, 0.3)),
        _signed("ShearY", between(0, 0.3)),
        Entry(op="CutoutAbs", values=between(0, 40)),
        _signed("TranslateXabs", between(0, 100)),
        _signed("TranslateYabs", between(0, 100)),
    )
    return Recipe(
        name="generic", pool=pool, layers=layers, levels=1, cutout=cutout or 0
    )


def torchvision(*, layers: int, cutout: int | None, magnitude: int) -> Recipe:
    """The pool of `torchvision.transforms.RandAugment`, nearest neighbour and black outside, as by its default.

    Results are those it computes for PIL images. Its translations count the other way round, and its signs
    move the enhancement factors to either side of 1.
    """
    share = magnitude / SCALE
    change, shear = share * 0.9, (share * 0.3,)
    shift = (share * (150 / 331),)

    def around_one(op: str) -> Entry:
        return Entry(op=op, values=(1 + change,), mirrored=(1 - change,))

    pool = (
        Entry(op="Identity"),
        _signed("ShearX", shear),
        _signed("ShearY", shear),
        Entry(op="TranslateX", values=(-shift[0],), mirrored=shift),
        Entry(op="TranslateY", values=(-shift[0],), mirrored=shift),
        _signed("Rotate", (share * 30,)),
        around_one("Brightness"),
        around_one("Color"),
        around_one("Contrast"),
        around_one("Sharpness"),
        Entry(op="Posterize", values=(8 - round(share * 4),)),
        Entry(op="Solarize", values=(255 - magnitude * 255 / SCALE,)),
        Entry(op="AutoContrast"),
        Entry(op="Equalize"),
    )
    return Recipe(
        name="torchvision", pool=pool, layers=layers, levels=1, cutout=cutout or 0
    )
