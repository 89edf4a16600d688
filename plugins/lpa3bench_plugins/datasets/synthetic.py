"""A made-up data set of any shape, for dry runs, tests and timing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split, WeakView
from lpa3bench_plugins.datasets.files import check_normalisation

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BLOCKS = 4
LOWEST, CONTRAST, NOISE = 32, 112, 112
"""A class's pattern lies in LOWEST … LOWEST + CONTRAST − 1; up to NOISE − 1 is added: at most 254."""


class Synthetic(Dataset):
    """Classes that a network can learn: each has a pattern of 4×4 coloured blocks, under uniform noise.

    Whole numbers from a generator of its own, so the bytes are the same on every machine; a split's images do
    not depend on how many the other splits have. Classes take turns, so each split is balanced. The patterns
    are not symmetric: the weak view neither flips nor pads.

    Args:
        size: side of the images, in pixels.
        channels: per pixel.
        num_classes: K; class patterns are drawn independently of each other.
        train: images in the split of that name.
        val: as `train`; 0 leaves the split out.
        test: as `train`.
        seed: of the patterns and the noise.
        mean: of images in [0, 1]; None: 0.5 for each channel.
        std: None: 0.25 for each channel.
    """

    def __init__(
        self,
        *,
        size: int = 32,
        channels: int = 3,
        num_classes: int = 10,
        train: int = 1000,
        val: int = 0,
        test: int = 200,
        seed: int = 0,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> None:
        counts = {"size": size, "channels": channels, "train": train, "test": test}
        for parameter, value in counts.items():
            if value < 1:
                raise ValueError(f"{parameter}: must be >= 1, not {value}")
        if num_classes < 2:
            raise ValueError(f"num_classes: must be >= 2, not {num_classes}")
        if val < 0:
            raise ValueError(f"val: must be >= 0, not {val}")
        if seed < 0:
            raise ValueError(f"seed: must be >= 0, not {seed}")
        self.mean = (0.5,) * channels if mean is None else tuple(mean)
        self.std = (0.25,) * channels if std is None else tuple(std)
        check_normalisation(self.mean, self.std, channels)
        self.size = size
        self.channels = channels
        self.num_classes = num_classes
        self.counts = {"train": train, "val": val, "test": test}
        self.seed = seed

    @property
    def spec(self) -> DatasetSpec:
        return DatasetSpec(
            name="Synthetic",
            num_classes=self.num_classes,
            channels=self.channels,
            size=self.size,
            mean=self.mean,
            std=self.std,
            weak=WeakView(flip=False, pad=0, mode="constant"),
        )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        patterns = self._patterns()
        return {
            name: self._split(patterns, count, self._generator(place))
            for place, (name, count) in enumerate(self.counts.items(), start=1)
            if count
        }

    def present(self, root: Path) -> Presence:
        return Presence(splits={name: count for name, count in self.counts.items() if count})

    def download(self, root: Path) -> None:
        """Nothing to do: the images are made when they are loaded."""

    def _generator(self, place: int) -> torch.Generator:
        import torch

        return torch.Generator().manual_seed((len(self.counts) + 1) * self.seed + place)

    def _patterns(self) -> Tensor:
        """uint8 [K, C, size, size]"""
        import torch

        blocks = torch.randint(
            LOWEST,
            LOWEST + CONTRAST,
            (self.num_classes, self.channels, BLOCKS, BLOCKS),
            generator=self._generator(0),
            dtype=torch.uint8,
        )
        place = torch.arange(self.size) * BLOCKS // self.size
        return blocks[:, :, place][:, :, :, place]

    def _split(self, patterns: Tensor, count: int, generator: torch.Generator) -> Split:
        import torch

        labels = torch.arange(count) % self.num_classes
        shape = (count, *patterns.shape[1:])
        noise = torch.randint(0, NOISE, shape, generator=generator, dtype=torch.uint8)
        return Split(patterns[labels] + noise, labels)
