"""Draws what a recipe leaves open, on the host, and applies it to a batch, on the device.

The two steps are apart so that runs on different hardware make the same choices, so that no step waits for
the device, and so that recorded choices go through the very code that trains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lpa3bench.runtime.device import send
from lpa3bench_plugins.augmenters.image_ops import cutout
from lpa3bench_plugins.augmenters.image_ops.catalogue import OPERATORS, Kernel, Own
from lpa3bench_plugins.augmenters.image_ops.photometric import to_bytes
from lpa3bench_plugins.augmenters.image_ops.recipes import Recipe

if TYPE_CHECKING:
    from lpa3bench.runtime.seeding import Draws

_CHUNK = 1 << 21
"""Values (B·C·H·W) augmented at a time on a CPU, where both smaller and larger calls are slower (the first
for the number of calls, the second for the cache): 682 images of 3×32×32, 75 of 3×96×96."""


@dataclass(frozen=True)
class Choices:
    """Everything random about one batch, on the host. B images, L layers."""

    op: Tensor
    """int64 [B, L], places in the recipe's pool."""
    level: Tensor
    """int64 [B, L], levels of magnitude, counted from 0."""
    applied: Tensor
    """bool [B, L]"""
    negative: Tensor
    """bool [B, L], the signs; without meaning for operators that have none."""
    centre: Tensor
    """float64 [B, L + 1, 2], x and y of the centres of boxes, as shares of width and height in [0, 1). The
    last is that of the box at the end."""

    def __getitem__(self, images: slice) -> Choices:
        """The choices for a part of the batch."""
        return Choices(**{field.name: getattr(self, field.name)[images] for field in fields(self)})


def choose_operations(recipe: Recipe, count: int, draws: Draws) -> Choices:
    """Draw for `count` images.

    Everything is drawn for every image whether it is needed or not, so that recipes of the same pool and
    number of layers stay paired when probability or cutout change.
    """
    shape = (count, recipe.layers)
    first = draws.integers((count, recipe.layers // recipe.together), 0, len(recipe.pool) // recipe.together)
    op = (first[:, :, None] * recipe.together + torch.arange(recipe.together)).flatten(1)
    level = draws.integers(shape, 0, recipe.levels)
    chance = draws.uniform(shape)
    negative = draws.integers(shape, 0, 2).bool()
    centre = draws.uniform((count, recipe.layers + 1, 2)).double()
    probability = torch.tensor([entry.probability for entry in recipe.pool])
    return Choices(op, level, chance < probability[op], negative, centre)


def augment(x: Tensor, recipe: Recipe, choices: Choices, chunk: int | None = None) -> Tensor:
    """Augment float images.

    Args:
        x: [B, C, H, W] in [0, 1]; rounded to 256 levels, the ones that images read from bytes have.
        recipe: what is done.
        choices: what was drawn for the B images.
        chunk: images at a time, on which the result does not depend; None: whatever is fast.

    Returns:
        [B, C, H, W] in [0, 1], contiguous, of x's dtype.
    """
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    # Shortens each of hundreds of small calls. `out` was made outside and is an ordinary tensor.
    with torch.inference_mode():
        for part in _parts(x, _CHUNK, chunk):
            torch.div(apply_recipe(_levels(x[part]), recipe, choices[part]), 255, out=out[part])
    return out


def _levels(x: Tensor) -> Tensor:
    """Float images to bytes: [B, C, H, W] in [0, 1] to uint8 of that shape, contiguous."""
    levels = torch.empty_like(x, dtype=torch.uint8, memory_format=torch.contiguous_format)
    for part in _parts(x, _CHUNK // 8):
        levels[part] = to_bytes(x[part].mul(255).round_())
    return levels


def _parts(x: Tensor, values: int, count: int | None = None) -> Iterator[slice]:
    """Slices of the batch: of `count` images, or of so many that they have `values` values on a CPU.

    Other devices have no cache to mind and are slowed down by many small calls.
    """
    if count is None:
        per_image = x[:1].numel()
        count = max(1, values // max(1, per_image)) if x.device.type == "cpu" else max(1, len(x))
    for start in range(0, len(x), count):
        yield slice(start, start + count)


def apply_recipe(images: Tensor, recipe: Recipe, choices: Choices) -> Tensor:
    """Apply what was drawn to bytes: uint8 [B, C, H, W] to new ones of that shape."""
    height, width = images.shape[-2:]
    tables = _tables(recipe, height, width)
    drawn = (choices.op * recipe.levels + choices.level) * 2 + choices.negative
    kernel = tables.kernel[choices.op] * choices.applied
    centre = choices.centre * torch.tensor([width, height])
    place = torch.arange(len(images))  # the image that each row holds
    for layer in range(recipe.layers):
        # Rows of one kernel are brought together. They stay in that order: the next layer wants another.
        order = kernel[:, layer].index_select(0, place).argsort(stable=True)
        place = place.index_select(0, order)
        images = images.index_select(0, send(order, images.device))
        _run(images, tables, kernel[:, layer], drawn[place, layer], centre[place, layer])
    images = images.index_select(0, send(place.argsort(), images.device))
    side = recipe.cutout_side(height, width)
    if side:
        box = cutout.boxes(centre[:, -1], torch.full((len(images),), side))
        images = cutout.paint(images, send(box, images.device), recipe.colour)
    return images


@dataclass(frozen=True)
class _Tables:
    """A recipe for one size of images, on the host. P operators, R rows: operators × levels × signs."""

    kernels: tuple[Kernel, ...]
    """All that can happen to an image in a layer."""
    kernel: Tensor
    """int64 [P], which of them belongs to each operator, counted from 1; 0: nothing happens."""
    magnitude: Tensor
    """float32 [R, 1, 1, 1]"""
    matrix: Tensor
    """int64 [R, 6]"""


@lru_cache(maxsize=32)
def _tables(recipe: Recipe, height: int, width: int) -> _Tables:
    kernels: list[Kernel] = []
    kernel = torch.zeros(len(recipe.pool), dtype=torch.int64)
    magnitude = torch.zeros(len(recipe.pool), recipe.levels, 2)
    matrix = torch.zeros((*magnitude.shape, 6), dtype=torch.int64)
    for place, entry in enumerate(recipe.pool):
        operator = OPERATORS[entry.op]
        if operator.kernel is not None:
            if operator.kernel not in kernels:
                kernels.append(operator.kernel)
            kernel[place] = 1 + kernels.index(operator.kernel)
        for sign, values in enumerate((entry.values, entry.mirrored or entry.values)):
            for level, value in enumerate(values):
                magnitude[place, level, sign] = value
                if operator.matrix is not None:
                    matrix[place, level, sign] = torch.tensor(operator.matrix(value, height, width))
    return _Tables(tuple(kernels), kernel, magnitude.view(-1, 1, 1, 1), matrix.view(-1, 6))


def _run(images: Tensor, tables: _Tables, kernel: Tensor, row: Tensor, centre: Tensor) -> None:
    """Run each kernel on its slice of the images, in place.

    Args:
        images: uint8 [B, C, H, W], sorted by kernel; those of kernel 0 stay as they are.
        tables: of the recipe.
        kernel: int64 [B] on the host, in any order: only their numbers count.
        row: int64 [B] on the host, the row of each image in the tables.
        centre: float64 [B, 2] on the host, in pixels.
    """
    sizes = kernel.bincount(minlength=1 + len(tables.kernels)).tolist()
    parts = torch.split(images, sizes)
    own = (tables.magnitude.index_select(0, row), tables.matrix.index_select(0, row), centre)
    own_parts = (torch.split(send(each, images.device), sizes) for each in own)
    for run, part, *owned in zip((None, *tables.kernels), parts, *own_parts, strict=True):
        if run is not None and len(part):
            part.copy_(run(part, Own(*owned)))
