"""The operators by the names that recipes call them by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor

from lpa3bench_plugins.augmenters.image_ops import cutout, geometric, photometric


@dataclass(frozen=True)
class Tables:
    """A recipe for one size of images, on a device. R rows: operators × levels × signs."""

    magnitude: Tensor
    """float32 [R, 1, 1, 1]"""
    values: Tensor
    """uint8 [R, 1, 256], what becomes of each value, of operators that need to know no more."""
    move: Tensor
    """int64 [R], the row of `matrix` and `sources`, of operators that move pixels."""
    matrix: Tensor
    """int64 [M, 6], where pixels are read (see `geometric`)."""
    sources: Tensor | None
    """int64 [M, H·W], the same worked out for each pixel (`geometric.sources`); None: there are too many."""


class Own(NamedTuple):
    """What belongs to each of G images in one layer."""

    tables: Tables
    row: Tensor
    """int64 [G], in the tables."""
    centre: Tensor
    """float64 [G, 2], x and y of a box in pixels."""

    @property
    def magnitude(self) -> Tensor:
        """float32 [G, 1, 1, 1]"""
        return self.tables.magnitude.index_select(0, self.row)


Kernel = Callable[[Tensor, Own], Tensor]
"""Makes new images uint8 [G, C, H, W] out of old ones."""

TableKernel = Callable[[Tensor, Own], Tensor]
"""Makes tables for images uint8 [G, C, H, W], of what becomes of each value: [G, 1 or C, 256], uint8, or
float that `to_bytes` is still to cut."""

BOX_COLOUR: cutout.Colour = (125, 123, 114)
"""Of CutoutAbs: about the mean of natural images."""


@dataclass(frozen=True)
class Operator:
    """What happens to an image, and what the magnitude means."""

    kernel: Kernel | None = None
    """None: nothing happens, or what `table` says. Operators may share one."""
    table: TableKernel | None = None
    """Of an operator under which values of one channel that are equal stay so. Operators may share one."""
    unit: str = ""
    """What the magnitude is; empty where there is none."""
    matrix: Callable[[float, int, int], geometric.Matrix] | None = None
    """Of an operator that moves pixels, from magnitude, height and width."""
    values: Callable[[Tensor, Tensor], Tensor] | None = None
    """Of an operator under which a value's fate hangs on nothing else: what it does to images, uint8
    [G, C, H, W] and float32 [G, 1, 1, 1] to new images."""
    colours: bool = False
    """Whether nothing happens to an image of one channel."""


def _photometric(apply: Callable[[Tensor, Tensor], Tensor], unit: str = "") -> Operator:
    return Operator(lambda images, own: apply(images, own.magnitude), unit=unit)


def _of_content(table: Callable[[Tensor], Tensor]) -> Operator:
    return Operator(table=lambda images, own: table(images))


def _pointwise(apply: Callable[[Tensor, Tensor], Tensor], unit: str = "") -> Operator:
    """One that is worked out for all 256 values once, and then looked up."""
    return Operator(table=_known, unit=unit, values=apply)


def _known(images: Tensor, own: Own) -> Tensor:
    return own.tables.values.index_select(0, own.row)


def _warp(images: Tensor, own: Own) -> Tensor:
    move = own.tables.move.index_select(0, own.row)
    if own.tables.sources is not None:
        return geometric.move(images, own.tables.sources.index_select(0, move))
    return geometric.warp(images, own.tables.matrix.index_select(0, move))


def _moves(matrix: Callable[[float, int, int], geometric.Matrix], unit: str) -> Operator:
    return Operator(_warp, unit=unit, matrix=matrix)


def _box(images: Tensor, own: Own) -> Tensor:
    return cutout.paint(images, cutout.boxes(own.centre, own.magnitude.view(-1, 1).double()), BOX_COLOUR)


OPERATORS: dict[str, Operator] = {
    "Identity": Operator(),
    "AutoContrast": _of_content(photometric.auto_contrast),
    "Brightness": _pointwise(photometric.brightness, "factor"),
    "Color": replace(_photometric(photometric.color, "factor"), colours=True),
    "Contrast": _photometric(photometric.contrast, "factor"),
    "Equalize": _of_content(photometric.equalize),
    "Invert": _pointwise(photometric.invert),
    "Posterize": _pointwise(photometric.posterize, "bits kept"),
    "Sharpness": _photometric(photometric.sharpness, "factor"),
    "Solarize": _pointwise(photometric.solarize, "threshold"),
    "SolarizeAdd": _pointwise(photometric.solarize_add, "amount added"),
    "CutoutAbs": Operator(_box, unit="side in pixels"),
    "Rotate": _moves(geometric.rotate, "degrees"),
    "ShearX": _moves(geometric.shear_x, "columns per row"),
    "ShearY": _moves(geometric.shear_y, "rows per column"),
    "TranslateX": _moves(geometric.translate_x_relative, "share of the width"),
    "TranslateY": _moves(geometric.translate_y_relative, "share of the height"),
    "TranslateXabs": _moves(geometric.translate_x, "pixels"),
    "TranslateYabs": _moves(geometric.translate_y, "pixels"),
}
