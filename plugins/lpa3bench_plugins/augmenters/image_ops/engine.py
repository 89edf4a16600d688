"""Draws what a recipe leaves open, on the host, and applies it to a batch, on the device.

The two steps are apart so that runs on different hardware make the same choices, so that no step waits for
the device, and so that recorded choices go through the very code that trains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lpa3bench.runtime.device import send
from lpa3bench_plugins.augmenters.image_ops import cutout, geometric
from lpa3bench_plugins.augmenters.image_ops.catalogue import OPERATORS, Kernel, Own, TableKernel, Tables
from lpa3bench_plugins.augmenters.image_ops.photometric import look_up, to_bytes
from lpa3bench_plugins.augmenters.image_ops.recipes import Recipe

if TYPE_CHECKING:
    from lpa3bench.runtime.seeding import Draws

_CHUNK = 1 << 21
"""Values (B·C·H·W) augmented at a time on a CPU, where both smaller and larger calls are slower (the first
for the number of calls, the second for the cache): 682 images of 3×32×32, 75 of 3×96×96."""

_SOURCES = 1 << 20
"""Pixels (M·H·W) whose sources are kept for each recipe and size: 90 moves of FixMatch up to 107×107."""


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
        if images == slice(0, len(self.op)):
            return self
        return Choices(**{field.name: getattr(self, field.name)[images] for field in fields(self)})


def choose_operations(recipe: Recipe, count: int, draws: Draws) -> Choices:
    """Draw for `count` images.

    Everything is drawn for every image whether it is needed or not, so that recipes of the same pool and
    number of layers stay paired when probability or cutout change.
    """
    shape = (count, recipe.layers)
    first = draws.integers((count, recipe.layers // recipe.together), 0, len(recipe.pool) // recipe.together)
    op = first.numpy()
    if recipe.together > 1:
        op = (op[:, :, None] * recipe.together + np.arange(recipe.together)).reshape(shape)
    level = draws.integers(shape, 0, recipe.levels)
    applied = draws.uniform(shape).numpy() < _probability(recipe)[op]
    negative = draws.integers(shape, 0, 2).bool()
    centre = draws.uniform((count, recipe.layers + 1, 2)).double()
    return Choices(torch.from_numpy(op), level, torch.from_numpy(applied), negative, centre)


@lru_cache(maxsize=32)
def _probability(recipe: Recipe) -> npt.NDArray[np.float32]:
    """[P], of each operator of the pool."""
    return np.array([entry.probability for entry in recipe.pool], np.float32)


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
        made = to_bytes(x[part].mul(255).round_())
        if x.device.type == "cpu":  # NumPy brings bytes into another order three times as fast as torch
            np.copyto(levels[part].numpy(), made.numpy())
        else:
            levels[part] = made
    return levels


def _parts(x: Tensor, values: int, count: int | None = None) -> Iterator[slice]:
    """Slices of the batch: of `count` images, or of so many that they have `values` values on a CPU.

    Other devices have no cache to mind and are slowed down by many small calls.
    """
    if count is None:
        per_image = x[:1].numel()
        count = max(1, values // max(1, per_image)) if x.device.type == "cpu" else max(1, len(x))
    for start in range(0, len(x), count):
        yield slice(start, min(start + count, len(x)))


def apply_recipe(images: Tensor, recipe: Recipe, choices: Choices) -> Tensor:
    """Apply what was drawn to bytes: uint8 [B, C, H, W] to new ones of that shape."""
    height, width = images.shape[-2:]
    kinds, kind_of, tables = _tables(recipe, *images.shape[1:], images.device)
    # The small numbers on the host are NumPy's, which has them in a third of torch's time.
    kind = kind_of[choices.op.numpy()] * choices.applied.numpy()
    row = (choices.op.numpy() * recipe.levels + choices.level.numpy()) * 2 + choices.negative.numpy()
    centre = choices.centre.numpy() * (width, height)
    # Layers in which nothing happens to an image become its last: its result is the same, and in later layers
    # fewer kinds have images.
    turn = (kind == 0).argsort(axis=1, kind="stable")
    place = np.arange(len(images))  # the image that each row holds
    orders, rows, centres, sizes = [], [], [], []
    for layer in range(recipe.layers):
        # Rows of one kind are brought together. They stay in that order: the next layer wants another.
        order = kind[place, turn[place, layer]].argsort(kind="stable")
        place = place[order]
        drawn = place, turn[place, layer]
        orders.append(order)
        rows.append(row[drawn])
        centres.append(centre[drawn])
        sizes.append(np.bincount(kind[drawn], minlength=1 + len(kinds)).tolist())
    host = np.array((*rows, *orders, place.argsort())), np.array(centres)  # sooner than np.stack
    whole, around = (send(torch.from_numpy(each), images.device).unbind() for each in host)
    for layer, order in enumerate(whole[recipe.layers : -1]):
        own = Own(tables, whole[layer], around[layer])
        images = torch.cat([*_changed(images.index_select(0, order), kinds, sizes[layer], own)])
    images = images.index_select(0, whole[-1])
    side = recipe.cutout_side(height, width)
    if side:
        box = cutout.boxes(torch.from_numpy(centre[:, -1]), side)
        images = cutout.paint(images, send(box, images.device), recipe.colour)
    return images


def _changed(images: Tensor, kinds: Kinds, sizes: list[int], own: Own) -> Iterator[Tensor]:
    """The images that were not left alone, and those that were ahead of them.

    Args:
        images: all, kind by kind.
        sizes: how many are left alone, then how many there are of each kind.
        own: what belongs to all of them.
    """
    # Not `split`, which takes three times as long.
    parts, rows, centres = (each.split_with_sizes(sizes) for each in (images, own.row, own.centre))
    yield parts[0]
    owns = [Own(own.tables, *each) for each in zip(rows[1:], centres[1:], strict=True)]
    made, makers = [], len(kinds.makers)
    for make, part, its in zip(kinds.makers, parts[1:], owns, strict=False):
        if len(part):
            made.append(make(part, its))
    if made:
        table = torch.cat([each.expand(-1, images.shape[1], -1) for each in made])
        yield look_up(to_bytes(table), images[sizes[0] : sizes[0] + len(table)])
    for run, part, its in zip(kinds.kernels, parts[1 + makers :], owns[makers:], strict=True):
        if len(part):
            yield run(part, its)


class Kinds(NamedTuple):
    """All that can happen to an image."""

    makers: tuple[TableKernel, ...]
    """Come first, and their tables are looked up together: each call costs as much as what it does on a
    small batch."""
    kernels: tuple[Kernel, ...]

    def __len__(self) -> int:
        return len(self.makers) + len(self.kernels)


@lru_cache(maxsize=32)
def _tables(
    recipe: Recipe, channels: int, height: int, width: int, device: torch.device
) -> tuple[Kinds, npt.NDArray[np.int64], Tables]:
    """All that can happen; int64 [P], which of it belongs to each operator, counted from 1, 0 where nothing
    does; and the operators' tables."""
    operators = [OPERATORS[entry.op] for entry in recipe.pool]
    happening = [each for each in operators if channels > 1 or not each.colours]
    kinds = Kinds(
        tuple(dict.fromkeys(each.table for each in happening if each.table is not None)),
        tuple(dict.fromkeys(each.kernel for each in happening if each.kernel is not None)),
    )
    known = (None, *kinds.makers, *kinds.kernels)
    kind_of = [known.index(each.table or each.kernel) if each in happening else 0 for each in operators]
    magnitude = torch.zeros(len(recipe.pool), recipe.levels, 2)
    values = torch.zeros((*magnitude.shape, 256), dtype=torch.uint8)
    move = torch.zeros(magnitude.shape, dtype=torch.int64)
    matrix: list[geometric.Matrix] = []
    all_values = torch.arange(256, dtype=torch.uint8)
    for place, (entry, operator) in enumerate(zip(recipe.pool, operators, strict=True)):
        for sign, of_level in enumerate((entry.values, entry.mirrored or entry.values)):
            for level, value in enumerate(of_level):
                magnitude[place, level, sign] = value
                if operator.matrix is not None:
                    move[place, level, sign] = len(matrix)
                    matrix.append(operator.matrix(value, height, width))
        if operator.values is not None:
            own = magnitude[place].view(-1, 1, 1, 1)
            made = operator.values(all_values.expand(len(own), 1, 1, -1), own)
            values[place] = made.view_as(values[place])
    matrices = torch.tensor(matrix, dtype=torch.int64).view(-1, 6)
    few = len(matrix) * height * width <= _SOURCES
    tables = Tables(
        magnitude.view(-1, 1, 1, 1).to(device),
        values.view(-1, 1, 256).to(device),
        move.view(-1).to(device),
        matrices.to(device),
        geometric.sources(matrices, height, width).long().to(device) if few else None,
    )
    return kinds, np.array(kind_of), tables
