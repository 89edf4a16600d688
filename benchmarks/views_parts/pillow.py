"""FixMatch's views image by image: Pillow behind a DataLoader without workers, as released."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

Pictures = npt.NDArray[np.uint8]
"""[N, H, W, C], or [N, H, W] of one channel."""


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
    """Grey from the corner to half the side on, both included; x and y in pixels."""
    side = min(image.size) // 2
    left, top = int(max(0, x - side / 2)), int(max(0, y - side / 2))
    right, bottom = min(image.width, left + side), min(image.height, top + side)
    image = image.copy()
    ImageDraw.Draw(image).rectangle((left, top, right, bottom), 127 if image.mode == "L" else (127, 127, 127))
    return image


class Views(Dataset[tuple[Tensor, Tensor]]):
    """One weak and one strong view, image by image; normalised where it is told by what."""

    def __init__(
        self, pictures: Pictures, normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    ) -> None:
        self._pictures = pictures
        self._random = np.random.default_rng(1)
        side = pictures.shape[1]
        crop = transforms.RandomCrop(side, padding=side // 8, padding_mode="reflect")
        self._weak = transforms.Compose([transforms.RandomHorizontalFlip(), crop])
        normalise = [] if normalisation is None else [transforms.Normalize(*normalisation)]
        self._finished = transforms.Compose([transforms.ToTensor(), *normalise])

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        image = Image.fromarray(self._pictures[place])
        return self._finished(self._weak(image)), self._finished(self._strong(self._weak(image)))

    def _strong(self, image: Image.Image) -> Image.Image:
        draw = self._random
        for op in draw.integers(0, len(OPERATORS), 2).tolist():
            v = int(draw.integers(1, 10))
            if draw.random() < 0.5:
                image = OPERATORS[op](image, v, 1 if draw.random() < 0.5 else -1)
        return cut_out(image, draw.uniform(0, image.width), draw.uniform(0, image.height))


def loader(
    pictures: Pictures, batch: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> DataLoader[tuple[Tensor, Tensor]]:
    """One pass over the pictures."""
    return DataLoader(Views(pictures, (mean, std)), batch, shuffle=True, drop_last=True, num_workers=0)
