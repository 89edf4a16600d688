"""The published recipes by name, and the pools of FixMatch and of the common stand-alone RandAugment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from lpa3bench_plugins.augmenters.image_ops import torchvision_pools
from lpa3bench_plugins.augmenters.image_ops.recipes import PoolEntry, Recipe

RecipeName = Literal[
    "fixmatch", "fixmatch_paper", "generic", "torchvision",
    "trivialaugment_wide", "autoaugment_cifar10", "autoaugment_imagenet", "autoaugment_svhn",
]  # fmt: skip
NAMES: tuple[RecipeName, ...] = get_args(RecipeName)
COUNTED: tuple[RecipeName, ...] = ("fixmatch", "fixmatch_paper", "generic", "torchvision")
"""Those that draw as many operators as a user says, 2 by default."""
GRADED: tuple[RecipeName, ...] = ("generic", "torchvision")
"""Those that take one magnitude for all images, from 0 to `STRONGEST`, 9 by default."""
_STRONGEST = torchvision_pools._STRONGEST


def build_recipe(
    name: RecipeName, *, layers: int | None = None, magnitude: int | None = None, cutout: int | None = None
) -> Recipe:
    """The recipe of that name.

    Args:
        name: which.
        layers: operators per image, for those in `COUNTED`.
        magnitude: for those in `GRADED`; the others draw theirs, or have them written into the policy.
        cutout: side of the box at the end, 0 for none; None: the recipe's own, which is half the side of the
            image for `fixmatch` and `fixmatch_paper` and none for the others.
    """
    layers = 2 if layers is None else layers
    magnitude = 9 if magnitude is None else magnitude
    if name in ("fixmatch", "fixmatch_paper"):
        pool = _fixmatch_pool(0.5 if name == "fixmatch" else 1.0)
        return Recipe(name=name, pool=pool, layers=layers, levels=9, cutout=cutout)
    box = cutout or 0
    if name == "trivialaugment_wide":
        pool, levels = torchvision_pools.trivial_augment_wide(), torchvision_pools.WIDE_LEVELS
        return Recipe(name=name, pool=pool, layers=1, levels=levels, cutout=box)
    if name.startswith("autoaugment_"):
        pool = torchvision_pools.auto_augment(name.removeprefix("autoaugment_"))
        return Recipe(name=name, pool=pool, layers=2, levels=1, cutout=box, together=2)
    pool = _generic_pool(magnitude) if name == "generic" else torchvision_pools.rand_augment(magnitude)
    return Recipe(name=name, pool=pool, layers=layers, levels=1, cutout=box)


def _fixmatch_pool(probability: float) -> tuple[PoolEntry, ...]:
    """FixMatch as released in PyTorch (kekmodel/FixMatch-pytorch; LP-A3 runs the same): level v of 1 … 9.

    Deviations of that code from the paper: a drawn operator is applied one half of the time only (the paper's
    authors: always); level 10 is never reached; and factors lie in 0.14 … 0.86, so that Brightness, Color,
    Contrast and Sharpness only darken, wash out or blur.
    """

    def of_ten(
        maximum: float, offset: float = 0.0, part: Callable[[float], float] = float
    ) -> tuple[float, ...]:
        return tuple(part(v * maximum / 10) + offset for v in range(1, 10))

    def entry(op: str, values: tuple[float, ...] = ()) -> PoolEntry:
        return PoolEntry(op=op, values=values, probability=probability)

    def signed(op: str, values: tuple[float, ...]) -> PoolEntry:
        return PoolEntry(op=op, values=values, mirrored=_opposite(values), probability=probability)

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


def _generic_pool(magnitude: int) -> tuple[PoolEntry, ...]:
    """The sixteen operators of the widely copied stand-alone PyTorch RandAugment, one magnitude of 30.

    Its oddities are kept: Solarize is weaker the larger the magnitude, Posterize too, translations are in
    pixels whatever the size of the image, and a box is one of the operators.
    """

    def between(low: float, high: float) -> float:
        return magnitude / _STRONGEST * (high - low) + low

    def entry(op: str, *values: float) -> PoolEntry:
        return PoolEntry(op=op, values=values)

    def signed(op: str, value: float) -> PoolEntry:
        return PoolEntry(op=op, values=(value,), mirrored=(-value,))

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


def _opposite(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(-value for value in values)
