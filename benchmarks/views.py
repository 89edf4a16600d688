"""FixMatch's weak and strong views: batched on bytes against Pillow and a DataLoader. Run by hand:

    python benchmarks/views.py [--batch 448] [--rounds 15] [--keep]

Both sides make the same thing out of the same 32×32 colour images held in memory: a batch of weak views
(flip, crop with 4 pixels of reflection) and, from a second independent crop, one of strong views (two of
FixMatch's fourteen operators, then Cutout), as float32 images in [0, 1]. Ours is `ImageStore.weak` twice and
`RandAugment`; the other is a `Dataset` of Pillow images behind a `DataLoader` without workers, with
torchvision's flip, crop and `to_tensor`, as the released loader has. That both compute the same bytes from
the same choices is checked before anything is timed. Normalisation, here the model's business, is left out
on both sides.

One thread. Each round makes one batch with either, the order rotates, and the ratio is taken of the medians;
the spread is that of the rounds' own ratios. CPU time of the process is the measure, as other programs cannot
blur it; wall time stands beside it.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import numpy as np
import numpy.typing as npt
import PIL
import torch
import torchvision
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from timing import interleaved, keep
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms.functional import to_tensor

from lpa3bench.api import WeakView
from lpa3bench.data.image_store import ImageStore
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.image_ops import engine
from lpa3bench_plugins.augmenters.randaugment import RandAugment

SIDE, IMAGES, CUTOUT = 32, 10_000, 16
LARGEST_KEPT = 31 << 20
AIM = 15
Pictures = npt.NDArray[np.uint8]


def affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix)


# v: 1 … 9; s: the sign, 1 or −1. In the order of the released pool.
OPERATORS: tuple[Callable[[Image.Image, int, int], Image.Image], ...] = (
    lambda image, v, s: ImageOps.autocontrast(image),
    lambda image, v, s: ImageEnhance.Brightness(image).enhance(v * 0.9 / 10 + 0.05),
    lambda image, v, s: ImageEnhance.Color(image).enhance(v * 0.9 / 10 + 0.05),
    lambda image, v, s: ImageEnhance.Contrast(image).enhance(v * 0.9 / 10 + 0.05),
    lambda image, v, s: ImageOps.equalize(image),
    lambda image, v, s: image,
    lambda image, v, s: ImageOps.posterize(image, int(v * 4 / 10) + 4),
    lambda image, v, s: image.rotate(s * int(v * 30 / 10)),
    lambda image, v, s: ImageEnhance.Sharpness(image).enhance(v * 0.9 / 10 + 0.05),
    lambda image, v, s: affine(image, 1, s * v * 0.3 / 10, 0, 0, 1, 0),
    lambda image, v, s: affine(image, 1, 0, 0, s * v * 0.3 / 10, 1, 0),
    lambda image, v, s: ImageOps.solarize(image, 256 - int(v * 256 / 10)),
    lambda image, v, s: affine(image, 1, 0, int(s * v * 0.3 / 10 * image.width), 0, 1, 0),
    lambda image, v, s: affine(image, 1, 0, 0, 0, 1, int(s * v * 0.3 / 10 * image.height)),
)


def cut_out(image: Image.Image, x: float, y: float) -> Image.Image:
    """Grey from the corner to 16 pixels on, both included; x and y in pixels."""
    left, top = int(max(0, x - CUTOUT / 2)), int(max(0, y - CUTOUT / 2))
    right, bottom = min(image.width, left + CUTOUT), min(image.height, top + CUTOUT)
    image = image.copy()
    ImageDraw.Draw(image).rectangle((left, top, right, bottom), (127, 127, 127))
    return image


class PillowViews(Dataset[tuple[Tensor, Tensor]]):
    """One weak and one strong view, image by image."""

    def __init__(self, pictures: Pictures, seed: int) -> None:
        self._pictures = pictures
        self._random = np.random.default_rng(seed)
        self._weak = transforms.Compose(
            [
                transforms.RandomHorizontalFlip(),
                transforms.RandomCrop(SIDE, padding=4, padding_mode="reflect"),
            ]
        )

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        image = Image.fromarray(self._pictures[place])
        return to_tensor(self._weak(image)), to_tensor(self._strong(self._weak(image)))

    def _strong(self, image: Image.Image) -> Image.Image:
        draw = self._random
        for op in draw.integers(0, len(OPERATORS), 2).tolist():
            v = int(draw.integers(1, 10))
            if draw.random() < 0.5:
                image = OPERATORS[op](image, v, 1 if draw.random() < 0.5 else -1)
        return cut_out(image, draw.uniform(0, SIDE), draw.uniform(0, SIDE))


def check_same(pictures: Pictures) -> None:
    """The same choices give the same bytes on both sides.

    Raises:
        AssertionError: they do not; a comparison of speeds would mean nothing.
    """
    recipe = RandAugment().recipe
    drawn = engine.choose_operations(recipe, len(pictures), Draws(1))
    ours = engine.apply_recipe(torch.from_numpy(pictures).permute(0, 3, 1, 2), recipe, drawn)
    for row, picture in enumerate(pictures):
        image = Image.fromarray(picture)
        for layer in range(2):
            if drawn.applied[row, layer]:
                sign = -1 if drawn.negative[row, layer] else 1
                image = OPERATORS[drawn.op[row, layer]](image, int(drawn.level[row, layer]) + 1, sign)
        image = cut_out(image, *(drawn.centre[row, -1] * SIDE).tolist())
        if not np.array_equal(np.asarray(image), ours[row].permute(1, 2, 0).numpy()):
            raise AssertionError(f"image {row}: Pillow and the batched engine disagree")


def batched(pictures: Pictures, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of our views, for ever."""
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    store = ImageStore(images, WeakView(flip=True, pad=4, mode="reflect"), "cpu")
    order, weak, strong, augment = Draws(1), Draws(2), Draws(3), Draws(4)
    recipe = RandAugment().recipe
    while True:
        for index in order.permutation(len(store)).split(batch):
            if len(index) == batch:
                begun = store.weak(index, strong)
                drawn = engine.choose_operations(recipe, batch, augment)
                yield store.weak(index, weak), engine.augment(begun, recipe, drawn)


def one_by_one(pictures: Pictures, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of Pillow's views, for ever."""
    loader = DataLoader(PillowViews(pictures, 1), batch, shuffle=True, drop_last=True, num_workers=0)
    return chain.from_iterable(repeat(loader))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch", type=int, default=448)
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
    pictures = np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    check_same(pictures[:500])
    ours, theirs = batched(pictures, given.batch), one_by_one(pictures, given.batch)
    times = interleaved({"ours": lambda: take(ours), "pillow": lambda: take(theirs)}, given.rounds)
    reached, found = 0.0, {}
    for clock in ("wall", "cpu"):
        fast, slow = (getattr(times[key], clock) for key in ("ours", "pillow"))
        reached = statistics.median(slow) / statistics.median(fast)
        paired = sorted(a / b for a, b in zip(slow, fast, strict=True))
        rate, peer = (given.batch / statistics.median(seconds) for seconds in (fast, slow))
        found = {"ratio": reached, "low": paired[0], "high": paired[-1], "n": given.rounds}
        found["images_a_second"] = round(rate, -3)
        print(
            f"B={given.batch} {clock:4}  ours {rate:6.0f} images/s  Pillow, DataLoader {peer:5.0f} images/s  "
            f"ratio {reached:.1f} ({paired[0]:.1f} to {paired[-1]:.1f})  n={given.rounds}"
        )
    if given.keep:  # the last clock's: the CPU's
        keep(views=found)
    print(f"aim {AIM} (CPU time): {'kept' if reached >= AIM else 'MISSED'}")
    return 0 if reached >= AIM else 1


def take(batches: Iterator[tuple[Tensor, Tensor]]) -> None:
    """Make one batch and let it go."""
    next(batches)


if __name__ == "__main__":
    sys.exit(main())
