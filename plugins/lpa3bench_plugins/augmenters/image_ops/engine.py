"""Draws what a recipe leaves open, on the host, and applies it to a batch, on the device.

The two steps are apart so that runs on different hardware make the same choices, so that no step waits for the
device, and so that recorded choices go through the very code that trains. A policy that chooses otherwise
(AutoAugment's pairs of operators, say) needs only another way to make `Choices`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from torch import Tensor

from lpa3bench.seeding import Draws
from lpa3bench_plugins.augmenters.image_ops import cutout
from lpa3bench_plugins.augmenters.image_ops.catalogue import OPERATORS, Kernel
from lpa3bench_plugins.augmenters.image_ops.photometric import to_bytes
from lpa3bench_plugins.augmenters.image_ops.recipes import Recipe

CHUNK = 448
"""Images augmented at a time: CIFAR-sized ones then stay in a CPU's cache, and groups are still large enough."""


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
    """float64 [B, L + 1, 2], x and y of the centres of boxes in [0, 1), as shares of the width and the height.
    The last is that of the box at the end."""

    def __getitem__(self, images: slice) -> Choices:
        """The choices for a part of the batch."""
        return Choices(**{field.name: getattr(self, field.name)[images] for field in fields(self)})


def choose(recipe: Recipe, count: int, draws: Draws) -> Choices:
    """Draw for `count` images.

    Everything is drawn for every image whether it is needed or not, so that recipes of the same pool and
    number of layers stay paired when probability or cutout change.
    """
    shape = (count, recipe.layers)
    op = draws.integers(shape, 0, len(recipe.pool))
    level = draws.integers(shape, 0, recipe.levels)
    chance = draws.uniform(shape)
    negative = draws.integers(shape, 0, 2).bool()
    centre = draws.uniform((count, recipe.layers + 1, 2)).double()
    probability = torch.tensor([entry.probability for entry in recipe.pool])
    return Choices(op, level, chance < probability[op], negative, centre)


def augment(x: Tensor, recipe: Recipe, choices: Choices, chunk: int = CHUNK) -> Tensor:
    """Augment float images.

    Args:
        x: [B, C, H, W] in [0, 1]; rounded to 256 levels, the ones that images read from bytes have.
        recipe: what is done.
        choices: what was drawn for the B images.
        chunk: images at a time; the result does not depend on it.

    Returns:
        [B, C, H, W] in [0, 1], contiguous, of x's dtype.
    """
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    for start in range(0, len(x), chunk):
        part = slice(start, start + chunk)
        images = to_bytes(x[part].mul(255).round_()).contiguous()
        torch.div(apply_recipe(images, recipe, choices[part]), 255, out=out[part])
    return out


def apply_recipe(images: Tensor, recipe: Recipe, choices: Choices) -> Tensor:
    """Apply what was drawn to bytes: uint8 [B, C, H, W] to new ones of that shape."""
    height, width = images.shape[-2:]
    program = _compile(recipe, height, width)
    centre = choices.centre * torch.tensor([width, height])
    place = torch.arange(len(images))  # which image each row holds
    for layer in range(choices.op.shape[1]):
        images, place = _apply_layer(images, place, program, choices, centre, layer)
    images = images.index_select(0, place.argsort().to(images.device, non_blocking=True))
    side = recipe.cutout_side(height, width)
    if side:
        box = cutout.boxes(centre[:, -1], torch.full((len(images),), side), height, width)
        images = cutout.paint(images, box.to(images.device, non_blocking=True), recipe.fill)
    return images


@dataclass(frozen=True)
class _Program:
    """A recipe for one image size, as tables on the host. P operators, S levels."""

    kernels: tuple[Kernel, ...]
    """All that can happen to an image in a layer."""
    kernel: Tensor
    """int64 [P], which of them belongs to each operator, counted from 1; 0: nothing happens."""
    numbers: Tensor
    """float64 [P, S, 2, 6]: what the kernel gets for each operator, level and sign."""


@lru_cache(maxsize=32)
def _compile(recipe: Recipe, height: int, width: int) -> _Program:
    kernels: list[Kernel] = []
    kernel = torch.zeros(len(recipe.pool), dtype=torch.int64)
    numbers = torch.zeros((len(recipe.pool), recipe.levels, 2, 6), dtype=torch.float64)
    for place, entry in enumerate(recipe.pool):
        operator = OPERATORS[entry.op]
        if operator.kernel is not None:
            if operator.kernel not in kernels:
                kernels.append(operator.kernel)
            kernel[place] = 1 + kernels.index(operator.kernel)
        for sign, values in enumerate((entry.values, entry.mirrored or entry.values)):
            for level, value in enumerate(values):
                row = operator.numbers(value, height, width)
                numbers[place, level, sign, : len(row)] = torch.tensor(row, dtype=torch.float64)
    return _Program(tuple(kernels), kernel, numbers)


def _apply_layer(
    images: Tensor, place: Tensor, program: _Program, choices: Choices, centre: Tensor, layer: int
) -> tuple[Tensor, Tensor]:
    """One operator for every image: sort the rows by kernel, then run each kernel on its slice."""
    kernel = program.kernel[choices.op[place, layer]] * choices.applied[place, layer]
    order = kernel.argsort(stable=True)
    place = place[order]
    drawn = choices.op[place, layer], choices.level[place, layer], choices.negative[place, layer].long()
    numbers = torch.cat((program.numbers[drawn], centre[place, layer]), dim=1)
    sizes = kernel.bincount(minlength=1 + len(program.kernels)).tolist()
    images = images.index_select(0, order.to(images.device, non_blocking=True))
    parameters = numbers.to(images.device, non_blocking=True).split(sizes)
    for run, rows, own in zip((None, *program.kernels), images.split(sizes), parameters, strict=True):
        if run is not None and len(rows):
            rows.copy_(run(rows, own))
    return images, place
