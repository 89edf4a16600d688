"""FixMatch's weak and strong views against what else makes such views, at four shapes. Run by hand:

    python benchmarks/views.py [--shape 64x32x32x3] [--rounds 15] [--keep]

Every side makes the same thing out of images held in memory as bytes: a batch of weak views (flip, crop with
an eighth of the side of reflection around it) and, from a second independent crop, one of strong views (two
operators, then a box), as normalised float32. Ours is `ImageStore.weak` twice, `RandAugment` and the
network's normalisation. The others:

- Pillow, torchvision's transforms of images and a DataLoader without workers, as the released loader has: its
  distribution is ours. That the same choices give the same bytes is checked before anything is timed.
- torchvision v2 and kornia on batches: other distributions, as they draw operators once for a whole batch.

One thread. Each round makes some batches with each, the order rotates, and the ratio is taken of the medians;
the spread is that of the rounds' own ratios. CPU time of the process is the measure, as other programs cannot
blur it; wall time stands beside it.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from timing import compared, interleaved, keep
from torch import Tensor
from views_parts import batched, pillow

from lpa3bench.api import WeakView
from lpa3bench.data.image_store import ImageStore
from lpa3bench.nn.normalisation import normalise
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.image_ops import engine
from lpa3bench_plugins.augmenters.randaugment import RandAugment

LARGEST_KEPT = 31 << 20
VALUES = 1 << 20
"""Of the weak views that one side makes in a round, at least, and never fewer batches than these: what
torchvision v2 and kornia draw for a batch makes it quick or slow."""
BATCHES = 2
Batches = Iterator[tuple[Tensor, Tensor]]


class Shape(NamedTuple):
    """Of a batch."""

    batch: int
    side: int
    channels: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.side}x{self.side}x{self.channels}"

    @property
    def turns(self) -> int:
        """Batches that one side makes in a round."""
        return max(BATCHES, VALUES // (self.batch * self.side**2 * self.channels))

    @property
    def held(self) -> int:
        """Images held in memory: as many as in one part of CIFAR-10's files, fewer where they are large."""
        return min(10_000, 60_000_000 // (self.side**2 * self.channels))

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.49, 0.48, 0.45)[: self.channels], (0.25, 0.24, 0.26)[: self.channels]


SHAPES = {
    str(shape): shape for shape in (Shape(448, 32, 3), Shape(64, 32, 3), Shape(64, 28, 1), Shape(32, 224, 3))
}
GOALS = {
    "448x32x32x3": {"pillow": 20, "torchvision_v2": 1.3, "kornia": 3},
    "64x32x32x3": {"pillow": 1, "torchvision_v2": 1, "kornia": 1},
    "64x28x28x1": {"pillow": 1, "torchvision_v2": 1, "kornia": 1},
    "32x224x224x3": {"pillow": 2, "torchvision_v2": 1, "kornia": 1},
}
"""How many times as long as we the others are to take."""


def check_same(images: Tensor) -> None:
    """The same choices give the same bytes here and in Pillow.

    Raises:
        AssertionError: they do not; a comparison of speeds would mean nothing.
    """
    recipe, side = RandAugment().recipe, images.shape[-1]
    drawn = engine.choose_operations(recipe, len(images), Draws(1))
    ours = engine.apply_recipe(images, recipe, drawn)
    for row, picture in enumerate(pictures_of(images)):
        image = Image.fromarray(picture)
        for layer in range(2):
            if drawn.applied[row, layer]:
                sign = -1 if drawn.negative[row, layer] else 1
                image = pillow.OPERATORS[drawn.op[row, layer]](image, int(drawn.level[row, layer]) + 1, sign)
        image = pillow.cut_out(image, *(drawn.centre[row, -1] * side).tolist())
        if not np.array_equal(np.asarray(image), pictures_of(ours[row : row + 1])[0]):
            raise AssertionError(f"image {row}: Pillow and the batched engine disagree")


def pictures_of(images: Tensor) -> pillow.Pictures:
    """Bytes [N, C, H, W] as Pillow takes them."""
    pictures: pillow.Pictures = images.permute(0, 2, 3, 1).contiguous().numpy()
    return pictures[..., 0] if images.shape[1] == 1 else pictures


def indices(count: int, batch: int) -> Iterator[Tensor]:
    """Of the images of each batch, for ever."""
    order = Draws(1)
    while True:
        yield from (index for index in order.permutation(count).split(batch) if len(index) == batch)


def ours(images: Tensor, shape: Shape) -> Batches:
    store = ImageStore(images, WeakView(flip=True, pad=shape.side // 8, mode="reflect"), "cpu")
    weak, strong, augment = Draws(2), Draws(3), Draws(4)
    mean, std = (torch.tensor(each).view(-1, 1, 1) for each in shape.normalisation)
    recipe = RandAugment().recipe
    for index in indices(len(images), shape.batch):
        begun = store.weak(index, strong)
        drawn = engine.choose_operations(recipe, shape.batch, augment)
        views = store.weak(index, weak), engine.augment(begun, recipe, drawn)
        yield normalise(views[0], mean, std), normalise(views[1], mean, std)


def of_batches(images: Tensor, shape: Shape, finished: batched.Finished) -> Batches:
    for index in indices(len(images), shape.batch):
        yield finished(images[index])


def sides(images: Tensor, shape: Shape) -> dict[str, Batches]:
    """By name, ours first."""
    loader = pillow.loader(pictures_of(images), shape.batch, *shape.normalisation)
    made = {"ours": ours(images, shape), "pillow": chain.from_iterable(repeat(loader))}
    for library in (batched.torchvision_v2, batched.kornia):
        if finished := library(shape.side, *shape.normalisation):
            made[library.__name__] = of_batches(images, shape, finished)
    return made


def measured(shape: Shape, rounds: int) -> dict[str, Any]:
    """By how much the others take longer, printed and returned."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (shape.held, shape.channels, shape.side, shape.side), dtype=torch.uint8)
    check_same(images[:200])
    made = sides(images, shape)
    times = interleaved({name: taker(batches, shape.turns) for name, batches in made.items()}, rounds)
    found: dict[str, Any] = {}
    for name in [*made][1:]:
        for clock in ("wall", "cpu"):
            one = compared(getattr(times[name], clock), getattr(times["ours"], clock))
            print(f"{shape} {clock:4}  {name} / ours {one}", flush=True)
        found[name] = {**one._asdict(), "goal": GOALS[str(shape)][name]}  # the last clock's: the CPU's
    rate = shape.batch * shape.turns / sorted(times["ours"].cpu)[rounds // 2]
    print(f"{shape} cpu   ours {rate:,.0f} images/s")
    return {**found, "images_a_second": round(rate, -2)}


def taker(batches: Batches, turns: int) -> Callable[[], None]:
    """Makes so many batches and lets them go."""

    def take() -> None:
        for _ in range(turns):
            next(batches)

    return take


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shape", action="append", choices=list(SHAPES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keep", action="store_true", help="put it into results/speed.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    # A training process frees blocks of this size all the time, after which the C library keeps smaller ones;
    # without that it would hand them back to the system and fetch them again in every round.
    torch.empty(LARGEST_KEPT, dtype=torch.uint8)
    print(
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, Pillow {PIL.__version__}, "
        f"Python {platform.python_version()}, {platform.processor() or platform.machine()}, 1 thread"
    )
    found = {
        str(shape): measured(shape, given.rounds) for shape in map(SHAPES.__getitem__, given.shape or SHAPES)
    }
    if given.keep:
        keep(**{f"views_{shape}": of for shape, of in found.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
