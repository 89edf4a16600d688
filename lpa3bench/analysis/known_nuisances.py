"""Data sets whose nuisances are known: what they offer beside the splits that are trained and scored on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from lpa3bench.api import DatasetSpec, Split
from lpa3bench.plugin.registry import Registry


@runtime_checkable
class KnownNuisances(Protocol):
    """A data set that draws its nuisances, as `NuisanceDigits` does; one of your own needs no more."""

    @property
    def spec(self) -> DatasetSpec:
        """As of any data set."""

    @property
    def factors(self) -> Mapping[str, int]:
        """The nuisances, and how many values each has."""

    def part(self, part: str) -> tuple[Split, dict[str, Tensor]]:
        """Images of a part, "probe" or "test", with their labels, and what was drawn: int64 [N] by factor.
        No image of one part is made of what an image of the other, or one that is trained on, is made of."""


class Painted(NamedTuple):
    """The images of a part."""

    x: Tensor
    """[N, C, H, W] in [0, 1]"""
    label: Tensor
    """int64 [N]"""
    drawn: dict[str, Tensor]
    """int64 [N], by nuisance."""


def nuisance_digits(registry: Registry) -> KnownNuisances:
    """The shipped one."""
    entry = registry.get("NuisanceDigits")
    assert entry is not None
    made: KnownNuisances = entry.load()()
    return made


def painted(dataset: KnownNuisances, part: str, device: torch.device) -> Painted:
    """A part on a device."""
    split, drawn = dataset.part(part)
    on_device = {name: value.to(device) for name, value in drawn.items()}
    return Painted((split.images.float() / 255).to(device), split.labels.to(device), on_device)
