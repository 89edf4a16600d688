"""Images on the device: a whole data set as bytes, and training views cut out of it by the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from lpa3bench.api import WeakView
    from lpa3bench.seeding import Draws


def _reflected(side: int, pad: int, device: torch.device) -> Tensor:
    """Which row (or column) of an image stands in each one of the padded image: int64 [side + 2·pad]."""
    place = torch.arange(-pad, side + pad, device=device).abs()
    return (side - 1) - ((side - 1) - place).abs()


def _padded(images: Tensor, weak: WeakView) -> Tensor:
    """uint8 [N, C, H, W] → uint8 [N, H + 2·pad, W + 2·pad, C], contiguous."""
    pad = weak.pad
    height, width = images.shape[-2:]
    pixels = images.permute(0, 2, 3, 1)
    if weak.mode == "constant":
        return functional.pad(pixels, (0, 0, pad, pad, pad, pad)).contiguous()
    if pad >= min(height, width):
        raise ValueError(
            f"pad: must be < {min(height, width)}, the side of the images, to reflect; not {pad}"
        )
    # torch's own reflection padding takes no bytes.
    rows, columns = (_reflected(side, pad, images.device) for side in (height, width))
    return pixels.index_select(1, rows).index_select(2, columns).contiguous()


class ImageStore:
    """A data set's images on the device, padded once, from which batches of training views are cut.

    A pixel's channels lie side by side, and a view is made by looking up the place of each of its pixels:
    flip and crop together are one `index_select` per batch, and the result is channels_last without a copy.

    Args:
        images: uint8 [N, C, H, W].
        weak: the training view.
        device: where the images are to live.

    Raises:
        ValueError: the images are not bytes of that shape, the padding cannot be reflected or the crop does
            not fit into the padded image; the message opens with the name of the parameter at fault.
    """

    def __init__(self, images: Tensor, weak: WeakView, device: torch.device | str) -> None:
        if images.dtype != torch.uint8 or images.dim() != 4:
            raise ValueError(f"images: must be uint8 [N, C, H, W], not {images.dtype} {list(images.shape)}")
        _, channels, height, width = images.shape
        crop = (weak.crop or height, weak.crop or width)
        if crop[0] > height + 2 * weak.pad or crop[1] > width + 2 * weak.pad:
            raise ValueError(
                f"crop: {weak.crop} does not fit into images of {height}×{width}, padded by {weak.pad} pixels"
            )
        self.weak_view = weak
        self.device = torch.device(device)
        self.shape = (channels, height, width)
        padded = _padded(images.to(self.device), weak)
        self._size = padded.shape[1:3]
        self._crop = crop
        self._pixels = padded.view(-1, channels)
        self._count = len(images)

    def __len__(self) -> int:
        """N, the images held."""
        return self._count

    def weak(self, index: Tensor, draws: Draws) -> Tensor:
        """Training views of the images at `index`: flipped, then cropped at a random place.

        Drawn on the host and always in the same order, whatever the view and the device: for the whole batch
        who is flipped, then the crops' first rows, then their first columns. A view that flips nothing or has
        one place to crop at draws all the same, so that changing one of the three moves none of the others.

        Args:
            index: int64 [B].
            draws: of the component that asks.

        Returns:
            float32 [B, C, h, w] in [0, 1], channels_last.
        """
        count = len(index)
        flip = draws.integers((count,), 0, 2)
        top = draws.integers((count,), 0, self._size[0] - self._crop[0] + 1)
        left = draws.integers((count,), 0, self._size[1] - self._crop[1] + 1)
        flip, top, left = torch.stack((flip, top, left)).to(self.device, non_blocking=True)[:, :, None]
        rows = top + torch.arange(self._crop[0], device=self.device)
        columns = left + torch.arange(self._crop[1], device=self.device)
        if self.weak_view.flip:
            columns = torch.where(flip == 1, self._size[1] - 1 - columns, columns)
        return self._look_up(index, rows, columns)

    def plain(self, index: Tensor) -> Tensor:
        """The images at `index` as they are.

        Args:
            index: int64 [B].

        Returns:
            float32 [B, C, H, W] in [0, 1], channels_last; the whole image, also where the training view is a
            smaller crop.
        """
        _, height, width = self.shape
        rows = torch.arange(height, device=self.device)[None] + self.weak_view.pad
        columns = torch.arange(width, device=self.device)[None] + self.weak_view.pad
        return self._look_up(index, rows, columns)

    def _look_up(self, index: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Pixels at rows × columns of the padded images at `index`.

        index: int64 [B]; rows, columns: int64 [B or 1, h] and [B or 1, w]. float32 [B, C, h, w] in [0, 1].
        """
        # Places of whole pixels in a flat table: on a CPU about three times as fast as indexing with three
        # tensors, which goes byte by byte.
        line = index.to(self.device, non_blocking=True)[:, None] * self._size[0] + rows
        place = (line * self._size[1])[:, :, None] + columns[:, None, :]
        pixels = self._pixels.index_select(0, place.view(-1)).view(*place.shape, self.shape[0])
        return pixels.to(torch.float32).div_(255).permute(0, 3, 1, 2)
