"""The operators by the names that recipes call them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from lpa3bench_plugins.augmenters.image_ops import cutout, geometric, photometric

Kernel = Callable[[Tensor, Tensor], Tensor]
"""`kernel(images, numbers)`: new images uint8 [G, C, H, W] from old ones and what belongs to each of them,
float64 [G, 8]: six numbers of the operator's own, and a drawn centre x, y in pixels."""

BOX_COLOUR: cutout.Colour = (125, 123, 114)
"""Of CutoutAbs: about the mean of natural images."""


@dataclass(frozen=True)
class Operator:
    """What happens to an image, and what the magnitude means."""

    kernel: Kernel | None
    """None: nothing happens. Operators that differ in their numbers alone share one."""
    numbers: Callable[[float, int, int], tuple[float, ...]]
    """The kernel's numbers, six at most, from magnitude, height and width."""
    unit: str = ""
    """What the magnitude is; empty where there is none."""


def _magnitude(magnitude: float, height: int, width: int) -> tuple[float, ...]:
    return (magnitude,)


def _photometric(apply: Callable[[Tensor, Tensor], Tensor], unit: str = "") -> Operator:
    def kernel(images: Tensor, numbers: Tensor) -> Tensor:
        return apply(images, numbers[:, 0, None, None, None].float())

    return Operator(kernel, _magnitude, unit)


def _warp(images: Tensor, numbers: Tensor) -> Tensor:
    return geometric.warp(images, numbers[:, :6].long())


def _box(images: Tensor, numbers: Tensor) -> Tensor:
    return cutout.paint(images, cutout.boxes(numbers[:, 6:], numbers[:, 0]), BOX_COLOUR)


OPERATORS: dict[str, Operator] = {
    "Identity": Operator(None, _magnitude),
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
    "CutoutAbs": Operator(_box, _magnitude, "side in pixels"),
    "Rotate": Operator(_warp, geometric.rotate, "degrees"),
    "ShearX": Operator(_warp, geometric.shear_x, "columns per row"),
    "ShearY": Operator(_warp, geometric.shear_y, "rows per column"),
    "TranslateX": Operator(_warp, geometric.translate_x_relative, "share of the width"),
    "TranslateY": Operator(_warp, geometric.translate_y_relative, "share of the height"),
    "TranslateXabs": Operator(_warp, geometric.translate_x, "pixels"),
    "TranslateYabs": Operator(_warp, geometric.translate_y, "pixels"),
}
