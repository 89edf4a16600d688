"""The operators by the names that recipes call them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from lpa3bench_plugins.augmenters.image_ops import cutout, geometric, photometric


class Own(NamedTuple):
    """What belongs to each of G images in one layer."""

    magnitude: Tensor
    """float32 [G, 1, 1, 1]"""
    matrix: Tensor
    """int64 [G, 6], where pixels are read (see `geometric`)."""
    centre: Tensor
    """float64 [G, 2], x and y of a box in pixels."""


Kernel = Callable[[Tensor, Own], Tensor]
"""Makes new images uint8 [G, C, H, W] out of old ones."""

BOX_COLOUR: cutout.Colour = (125, 123, 114)
"""Of CutoutAbs: about the mean of natural images."""


@dataclass(frozen=True)
class Operator:
    """What happens to an image, and what the magnitude means."""

    kernel: Kernel | None
    """None: nothing happens. Operators may share one."""
    unit: str = ""
    """What the magnitude is; empty where there is none."""
    matrix: Callable[[float, int, int], geometric.Matrix] | None = None
    """Of an operator that moves pixels, from magnitude, height and width."""


def _photometric(apply: Callable[[Tensor, Tensor], Tensor], unit: str = "") -> Operator:
    return Operator(lambda images, own: apply(images, own.magnitude), unit)


def _warp(images: Tensor, own: Own) -> Tensor:
    return geometric.warp(images, own.matrix)


def _box(images: Tensor, own: Own) -> Tensor:
    return cutout.paint(images, cutout.boxes(own.centre, own.magnitude.flatten().double()), BOX_COLOUR)


OPERATORS: dict[str, Operator] = {
    "Identity": Operator(None),
    "AutoContrast": _photometric(photometric.auto_contrast),
    "Brightness": _photometric(photometric.brightness, "factor"),
    "Color": _photometric(photometric.color, "factor"),
    "Contrast": _photometric(photometric.contrast, "factor"),
    "Equalize": _photometric(photometric.equalize),
    "Invert": _photometric(photometric.invert),
    "Posterize": _photometric(photometric.posterize, "bits kept"),
    "Sharpness": _photometric(photometric.sharpness, "factor"),
    "Solarize": _photometric(photometric.solarize, "threshold"),
    "SolarizeAdd": _photometric(photometric.solarize_add, "amount added"),
    "CutoutAbs": Operator(_box, "side in pixels"),
    "Rotate": Operator(_warp, "degrees", geometric.rotate),
    "ShearX": Operator(_warp, "columns per row", geometric.shear_x),
    "ShearY": Operator(_warp, "rows per column", geometric.shear_y),
    "TranslateX": Operator(_warp, "share of the width", geometric.translate_x_relative),
    "TranslateY": Operator(_warp, "share of the height", geometric.translate_y_relative),
    "TranslateXabs": Operator(_warp, "pixels", geometric.translate_x),
    "TranslateYabs": Operator(_warp, "pixels", geometric.translate_y),
}
