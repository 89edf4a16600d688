"""Images on the device: a whole data set as bytes, and training views cut out of it by the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lpa3bench.runtime.device import send

if TYPE_CHECKING:
    from lpa3bench.runtime.seeding import Draws
    from lpa3bench.types import WeakView


def _padded(images: Tensor, weak: WeakView) -> Tensor:
    """uint8 [N, C, H, W] → uint8 [N, H + 2·pad, W + 2·pad, C], contiguous."""
    pad = weak.pad
    count, channels, height, width = images.shape
    if weak.mode == "reflect" and pad >= min(height, width):
        raise ValueError(
            f"pad: must be < {min(height, width)}, the side of the images, to reflect; not {pad}"
        )
    size = (count, height + 2 * pad, width + 2 * pad, channels)
    out = images.new_zeros(size) if weak.mode == "constant" else images.new_empty(size)
    rows = out[:, pad : pad + height]
    rows[:, :, pad : pad + width] = images.permute(0, 2, 3, 1)
    if weak.mode == "constant" or pad == 0:
        return out
    # By slices: torch's own reflection padding takes no bytes, and picking rows and columns by number takes
    # twice as long.
    rows[:, :, :pad] = rows[:, :, pad + 1 : 2 * pad + 1].flip(2)
    rows[:, :, pad + width :] = rows[:, :, width - 1 : pad + width - 1].flip(2)
    out[:, :pad] = out[:, pad + 1 : 2 * pad + 1].flip(1)
    out[:, pad + height :] = out[:, height - 1 : pad + height - 1].flip(1)
    return out


class ImageStore:
    """A data set's images on the device, padded once, from which batches of training views are cut.

    A pixel's channels lie side by side, so that a row of a view is one stretch of memory, and a batch of
    views is one `index_select` over all stretches of that length; those to be flipped are flipped after it.
    The result is channels_last without a copy.

    Args:
        images: uint8 [N, C, H, W].
        weak: the training view.
        device: where the images are to live.
        resize: side to which what is cut out is resized by nearest neighbour; None: left as it is.

    Raises:
        ValueError: the images are not bytes of that shape, the padding cannot be reflected or the crop does
            not fit into the padded image; the message opens with the name of the parameter at fault.
    """

    def __init__(
        self, images: Tensor, weak: WeakView, device: torch.device | str, *, resize: int | None = None
    ) -> None:
        if images.dtype != torch.uint8 or images.dim() != 4:
            raise ValueError(f"images: must be uint8 [N, C, H, W], not {images.dtype} {list(images.shape)}")
        _, channels, height, width = images.shape
        crop = (weak.crop or height, weak.crop or width)
        if crop[0] > height + 2 * weak.pad or crop[1] > width + 2 * weak.pad:
            raise ValueError(
                f"crop: {weak.crop} does not fit into images of {height}×{width}, padded by {weak.pad} pixels"
            )
        if weak.crop is not None and resize is not None:
            raise ValueError(f"crop: {weak.crop} cannot go with run.resize = {resize}; leave one of them out")
        self.weak_view = weak
        self.resize = resize
        self.device = torch.device(device)
        self.shape = (channels, height, width)
        padded = _padded(images.to(self.device), weak)
        self._size = padded.shape[1:3]
        self._crop = crop
        self._bytes = padded.view(-1)
        self._rows = torch.arange(self._size[0], device=self.device) * self._size[1]
        self._count = len(images)

    def __len__(self) -> int:
        """N, the images held."""
        return self._count

    @property
    def view_size(self) -> tuple[int, int]:
        """Height and width of a training view."""
        return self._crop if self.resize is None else (self.resize, self.resize)

    def weak(self, index: Tensor, draws: Draws) -> Tensor:
        """Training views of the images at `index`: flipped, then cropped at a random place.

        Drawn on the host and always in the same order, whatever the view and the device: for the whole batch
        who is flipped, then the crops' first rows, then their first columns. A view that flips nothing or has
        one place to crop at draws all the same, so that changing one of the three moves none of the others.

        Args:
            index: int64 [B].
            draws: of the component that asks.

        Returns:
            float32 [B, C, h, w] in [0, 1], channels_last; h and w are the crop's, or `resize`.
        """
        count = len(index)
        flip = draws.integers((count,), 0, 2).numpy()
        top = draws.integers((count,), 0, self._size[0] - self._crop[0] + 1).numpy()
        left = draws.integers((count,), 0, self._size[1] - self._crop[1] + 1).numpy()
        if not self.weak_view.flip:
            flip = flip * 0
        # In the flipped image the crop lies as far from the right as it would from the left.
        left = left + flip * (self._size[1] - self._crop[1] - 2 * left)
        corner = top * self._size[1] + left
        order = flip.argsort(kind="stable")  # those to be flipped come last, so that they are one slice
        places = torch.from_numpy(np.array((corner[order], order, order.argsort())))  # sooner than np.stack
        corners, there, back = send(places, self.device).unbind()  # iterating takes three times as long
        with torch.inference_mode():  # shortens small calls; the images made below are ordinary tensors
            pixels = self._cut(send(index, self.device).index_select(0, there), corners, self._crop)
            flipped = pixels[count - int(flip.sum()) :].permute(0, 3, 1, 2)
            flipped.copy_(flipped.flip(3))  # channels_last, for which torch has a fast flip
            pixels = pixels.index_select(0, back)
        return self._resized(_as_images(pixels))

    def plain(self, index: Tensor) -> Tensor:
        """The images at `index` as they are.

        Args:
            index: int64 [B].

        Returns:
            float32 [B, C, H, W] in [0, 1], channels_last; the whole image, also where the training view is a
            smaller crop; resized as the training views are.
        """
        return self._resized(_as_images(self._whole(index)))

    def pixels(self, index: Tensor) -> Tensor:
        """The images at `index` as they are held, before any resizing: uint8 [B, C, H, W]."""
        return self._whole(index).permute(0, 3, 1, 2).contiguous()

    def _whole(self, index: Tensor) -> Tensor:
        """uint8 [B, H, W, C]"""
        corner = self.weak_view.pad * (self._size[1] + 1)
        return self._cut(send(index, self.device), corner, self.shape[1:])

    def _resized(self, x: Tensor) -> Tensor:
        """Nearest neighbour by pixel centres, as Pillow does."""
        if self.resize is None or len(x) == 0:
            return x
        size = (self.resize, self.resize)
        return functional.interpolate(x, size, mode="nearest-exact").contiguous(
            memory_format=torch.channels_last
        )

    def _cut(self, index: Tensor, corner: Tensor | int, size: tuple[int, int]) -> Tensor:
        """The part of that size of each padded image at `index`, uint8 [B, h, w, C].

        Args:
            index: int64 [B], on the device.
            corner: int64 [B], on the device, or one for all: the pixel in the padded image, counted row by
                row, that becomes the first of the part.
            size: h and w.
        """
        channels, (height, width) = self.shape[0], size
        stretch = width * channels
        # Every stretch of one row of a view that the bytes hold, as overlapping rows of a table: on a CPU
        # copying 32 pixels at a time is more than three times as fast as one by one.
        table = self._bytes.as_strided(((len(self._bytes) - stretch) // channels + 1, stretch), (channels, 1))
        first = index * (self._size[0] * self._size[1]) + corner
        places = (first[:, None] + self._rows[:height]).view(-1)
        return table.index_select(0, places).view(-1, height, width, channels)


def _as_images(pixels: Tensor) -> Tensor:
    """uint8 [B, H, W, C] to float32 [B, C, H, W] in [0, 1], channels_last."""
    return pixels.to(torch.float32).div_(255).permute(0, 3, 1, 2)
