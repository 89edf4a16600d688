"""One image of any kind made into bytes of one size, and what kind of image it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import ExifTags, Image

Pixels = Any
"""np.ndarray, whose type parameters say nothing here."""
Fit = Literal["crop", "pad", "stretch"]
MODES = {1: "L", 3: "RGB"}
GREYS = ("1", "L", "LA", "La")
WHITE = 65535
"""The highest value of 16 bits."""
DARK = 16
"""Images of 16 bits that stay below white by such a factor are left with 16 of 256 levels."""

GREY_IMAGE, TRANSPARENT = "grey", "with transparency (dropped)"
TURNED = "to be turned by EXIF (not heeded)"
FRAMES = "of several frames (the first is read)"
TOO_DARK = "of 16 bits and dark"


def sixteen_bits(white: int) -> str:
    """The kind of image, with the scaling."""
    return f"of 16 bits ({white} is white)"


class Picture(NamedTuple):
    """An image that has not been decoded."""

    name: str
    """What an error calls it."""
    open: Callable[[], Image.Image | Any]
    """The image, or uint16 [H, W, 3], which Pillow has no image for."""


class Decoded(NamedTuple):
    """An image as it is used, and the kinds it is of, which the summary of a data set counts."""

    pixels: Pixels
    """uint8 [C, size, size]"""
    kinds: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Makes any image into uint8 [C, size, size]; what the fields mean is said in `Images`."""

    size: int
    channels: int
    fit: Fit = "crop"
    white_level: int = WHITE

    def __call__(self, picture: Picture) -> Decoded:
        """Decode an image.

        Raises:
            Exception: of any kind, where it cannot be read.
        """
        opened = picture.open()
        if not isinstance(opened, Image.Image):
            scaled, kinds = self._scaled(opened)
            return self._finished(Image.fromarray(scaled), kinds)
        with opened as image:
            mode, deep, frames = image.mode, _colour_of_16_bits(image), getattr(image, "is_animated", False)
            image.load()
            kinds = (*_kinds(image, mode), *([FRAMES] if frames else ()))
            if mode == "F":
                raise ValueError("its pixels are not bytes (mode F); convert it to 8 or 16 bits")
            if mode.startswith("I"):
                scaled, of_depth = self._scaled(np.asarray(image))
                return self._finished(Image.fromarray(scaled), (*kinds, GREY_IMAGE, *of_depth))
            if deep and self.white_level != WHITE:
                raise ValueError("of 16-bit colour the high bytes are read; Images.white_level must be 65535")
            return self._finished(image, (*kinds, sixteen_bits(WHITE)) if deep else kinds)

    def _scaled(self, values: Pixels) -> tuple[Pixels, tuple[str, ...]]:
        """Values of 16 bits, of any whole dtype, to uint8, rounded: 0 is 0 and `white_level` is 255."""
        lowest, highest = int(values.min()), int(values.max())
        if lowest < 0 or highest > WHITE:
            raise ValueError(f"its pixels go from {lowest} to {highest}; convert it to 8 or 16 bits")
        white = self.white_level
        scaled = (values.clip(0, white).astype(np.int64) * 255 + white // 2) // white
        dark = (TOO_DARK,) if highest < white // DARK else ()
        return scaled.astype(np.uint8), (sixteen_bits(white), *dark)

    def _finished(self, image: Image.Image, kinds: tuple[str, ...]) -> Decoded:
        whole = self._fitted(image.convert(MODES[self.channels]))
        return Decoded(
            np.asarray(whole).reshape(self.size, self.size, self.channels).transpose(2, 0, 1), kinds
        )

    def _fitted(self, image: Image.Image) -> Image.Image:
        """Resized by Pillow's bilinear filter, which averages where it makes smaller."""
        side, whole = self.size, (self.size, self.size)
        if image.size == whole:
            return image
        if self.fit == "crop":
            return image.resize(whole, Image.Resampling.BILINEAR, box=_middle(*image.size))
        if self.fit == "stretch":
            return image.resize(whole, Image.Resampling.BILINEAR)
        longest = max(image.size)
        width, height = (max(1, round(side * length / longest)) for length in image.size)
        padded = Image.new(image.mode, whole)
        inner = image.resize((width, height), Image.Resampling.BILINEAR)
        padded.paste(inner, ((side - width) // 2, (side - height) // 2))
        return padded


def _middle(width: int, height: int) -> tuple[float, float, float, float]:
    """The largest square in the middle: left, top, right, bottom."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _kinds(image: Image.Image, mode: str) -> list[str]:
    """Of an image that has been decoded; Pillow itself turns a TIFF, and takes the note away."""
    kinds = [GREY_IMAGE] if mode in GREYS else []
    if mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        kinds.append(TRANSPARENT)
    with suppress(Exception):  # what is wrong with a note is no fault of the image
        if image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):
            kinds.append(TURNED)
    return kinds


def _colour_of_16_bits(image: Image.Image) -> bool:
    """Whether Pillow is about to take the high bytes of its values."""
    tiles = getattr(image, "tile", None) or [("", (), 0, "")]
    arguments = tiles[0][3]
    raw = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return isinstance(raw, str) and ";16" in raw
