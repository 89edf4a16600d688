"""What networks are: the backbone that a plugin brings, and the model that the engine makes of it.

Letters in shapes are those of `lpa3bench.api`, which has these names too and imports torch only for them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from torch import Tensor, nn

from lpa3bench.types import Plugin

if TYPE_CHECKING:
    from lpa3bench.types import Output


class Backbone(Plugin, nn.Module, ABC):
    """A network with features. Plain `nn.BatchNorm2d` inside; it knows nothing of views or domains.

    Subclasses take `num_classes` and `in_channels` and their own hyper-parameters, all keyword-only.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Output:
        """x: [B, C, H, W], normalised."""

    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """The parts in order from stem to head; the last is the classification head."""


class Model(nn.Module, ABC):
    """A backbone with the data set's normalisation in front. Called with images in [0, 1]."""

    name: str
    """Which of the task's networks it is."""
    backbone: Backbone
    mean: Tensor
    """[C, 1, 1]"""
    std: Tensor
    """[C, 1, 1]"""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Output: ...

    @abstractmethod
    def normalise(self, x: Tensor) -> Tensor:
        """(x − mean)/std."""

    @abstractmethod
    def from_normalised(self, z: Tensor) -> Output:
        """The backbone's output for an already normalised batch."""
