"""What a module gave for images, and along which of its axes the channels lie, as far as that is sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Layout = Literal["BCHW", "BHWC", "BND"]
"""How a feature lies in memory: maps with the channels first or last, or N tokens of D channels."""


class FeatureLayer(NamedTuple):
    """An output of a network that is taken as a feature."""

    name: str
    """Of the module, as in `model.named_modules()` before the model, or a part of it, was compiled."""
    call: int
    """Which of its calls in a forward pass, from 0; −1: the last."""
    layout: Layout
    shape: tuple[int, ...]
    """Of the output for the images that were shown."""

    def map_of(self, output: Any) -> Tensor:
        """What the module gave, as [B, C, H, W]; tokens [B, N, D] become [B, D, N, 1]."""
        feature: Tensor = first_tensor(output)
        if self.layout == "BHWC":
            return feature.permute(0, 3, 1, 2)
        return feature.transpose(1, 2).unsqueeze(3) if self.layout == "BND" else feature


class ModuleCall(NamedTuple):
    """One call of one module."""

    name: str
    call: int
    module: nn.Module
    output: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """() of what is no tensor."""
        return tuple(self.output.shape) if isinstance(self.output, Tensor) else ()


def first_tensor(output: Any) -> Any:
    """The output itself, or the first of several."""
    return output[0] if isinstance(output, tuple | list) and output else output


class Layouts:
    """Which axes of an output are the channels', as far as that is sure.

    Args:
        outputs: of links and named modules, in the order of the calls.
        image: [B, C, H, W].
        seen: all calls.
    """

    def __init__(self, outputs: Sequence[ModuleCall], image: Tensor, seen: Sequence[ModuleCall]) -> None:
        self._height, self._width = image.shape[2:]
        self._convolutional = not any(
            type(s.module) in (nn.Linear, nn.LayerNorm) and len(s.shape) > 2 for s in seen
        )
        """Nothing works along the last axis of a tensor with places."""
        self._outputs = [s for s in outputs if len(s.shape) == 4]
        self._evident = [self._evident_of(s) for s in self._outputs]

    def size(self, seen: ModuleCall) -> tuple[int, int]:
        """Height and width of one of the outputs.

        Raises:
            ValueError: it is not sure.
        """
        sizes = {_size(seen.shape, layout) for layout in self._evident[self._place(seen)]}
        return sizes.pop() if len(sizes) == 1 else _size(seen.shape, self(seen))

    def __call__(self, seen: ModuleCall) -> Layout:
        """The layout of one of the outputs, 4-D.

        Raises:
            ValueError: it is not sure.
        """
        place = self._place(seen)
        fitting = self._evident[place]
        known = list(zip(self._outputs, self._evident, strict=True))
        # Of an nn.Sequential the output is its last link's.
        if same := [f[0] for other, f in known if len(f) == 1 and other.output is seen.output]:
            return same[0]
        before = next((f[0] for f in reversed(self._evident[:place]) if len(f) == 1), "BCHW")  # the image
        after = next((f[0] for f in self._evident[place + 1 :] if len(f) == 1), None)
        if fitting and before == after:
            return before
        what = "channels cannot be told from places in" if fitting else "there are no places of the image in"
        raise ValueError(
            f"layers: {what} {list(seen.shape)}, which {seen.name!r} gives; say how it lies, "
            f"layers={{{seen.name!r}: 'BCHW'}} or 'BHWC', or name other layers"
        )

    def _place(self, seen: ModuleCall) -> int:
        return next(i for i, other in enumerate(self._outputs) if other is seen)

    def _evident_of(self, seen: ModuleCall) -> tuple[Layout, ...]:
        """The layouts that it may have."""
        module = seen.module
        if self._convolutional or isinstance(
            module, nn.Conv2d | nn.ConvTranspose2d | _BatchNorm | nn.GroupNorm | nn.MaxPool2d
        ):
            return ("BCHW",)
        if type(module) in (nn.Linear, nn.LayerNorm):
            return ("BHWC",)
        _, one, two, three = seen.shape
        fitting: list[Layout] = []
        if self._fits(two, three):
            fitting.append("BCHW")
        if self._fits(one, two):
            fitting.append("BHWC")
        return tuple(fitting)

    def _fits(self, height: int, width: int) -> bool:
        """Whether it has the image's proportions, up to what strides round and unpadded borders take."""
        apart = abs(height * self._width - width * self._height)
        unequal = abs(self._height - self._width)
        return apart == 0 or (unequal > 0 and apart < max(self._height, self._width) + 2 * unequal)


def _size(shape: Sequence[int], layout: Layout) -> tuple[int, int]:
    return (shape[2], shape[3]) if layout == "BCHW" else (shape[1], shape[2])


def check_rows(seen: ModuleCall, images: int) -> None:
    """Refuse an output that has not one row for each of so many images."""
    if seen.shape[0] != images:
        raise ValueError(
            f"layers: {seen.name!r} gives {list(seen.shape)} for {images} images; features have one row an "
            "image, which windows have not, nor has a batch in the second axis; name other layers"
        )
