"""STL-10 (Coates, Ng and Lee, 2011), read from its binary files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split, WeakView
from lpa3bench_plugins.datasets.files import (
    check_md5,
    check_normalisation,
    damaged,
    fetching,
    missing_files,
    other_files,
    presence_of_files,
)

if TYPE_CHECKING:
    from torch import Tensor

_SIDE = 96
_BYTES = 3 * _SIDE * _SIDE
_FOLDER = "stl10_binary"
_CLASS_NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
_UNLABELLED = -1
_CHUNK = 1000
"""Images that are turned at a time."""


class STL10(Dataset):
    """Ten classes at 96×96 pixels: 5,000 labelled images, then 100,000 without a label; 8,000 to test on.

    The unlabelled images are of the same and of other kinds of animals and vehicles. Together they take
    2.9 GB of memory. `STL10Fold` leaves 1,000 of the 5,000 labels.

    The weak view is that of FixMatch's original code: flip, then shift by up to 12 pixels, filled by
    reflection. The code of LP-A3 trains on crops of 48 pixels after a padding by 6.

    Args:
        mean: of images in [0, 1]; the default is LP-A3's.
        std: as `mean`.
    """

    paper = "https://proceedings.mlr.press/v15/coates11a.html"
    train_images = 105_000
    counts: ClassVar[dict[str, int]] = {"train": 5000, "unlabeled": 100_000, "test": 8000}
    """By the first part of a file's name, how many images it holds."""
    checksums: ClassVar[dict[str, str]] = {
        "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
        "train_y.bin": "5a34089d4802c674881badbb80307741",
        "unlabeled_X.bin": "5242ba1fed5e4be9e1e742405eb56ca4",
        "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
        "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
    }
    """MD5 of each file, as torchvision has them too."""

    def __init__(
        self,
        *,
        mean: tuple[float, ...] = (0.4408, 0.4279, 0.3867),
        std: tuple[float, ...] = (0.2682, 0.2610, 0.2686),
    ) -> None:
        check_normalisation(mean, std, channels=3)
        self.mean = tuple(mean)
        self.std = tuple(std)

    @property
    def spec(self) -> DatasetSpec:
        return DatasetSpec(
            name="STL10",
            num_classes=len(_CLASS_NAMES),
            class_names=_CLASS_NAMES,
            channels=3,
            size=_SIDE,
            mean=self.mean,
            std=self.std,
            unlabelled=True,
            weak=WeakView(flip=True, pad=12, mode="reflect"),
        )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        import torch

        none = torch.full((self.counts["unlabeled"],), _UNLABELLED)
        labels = {"train": torch.cat((self._labels(root, "train"), none)), "test": self._labels(root, "test")}
        images = {"train": self._images(root, "train", "unlabeled"), "test": self._images(root, "test")}
        return {split: Split(images[split], labels[split]) for split in labels}

    def present(self, root: Path) -> Presence:
        return presence_of_files(self._found(root), self._splits)

    def verify(self, root: Path) -> dict[str, int]:
        """Check the MD5 of every file against the official ones; they stand for the counts."""
        for file, checksum in self.checksums.items():
            check_md5("STL10", root / _FOLDER / file, root, checksum)
        return self._splits

    def unofficial(self, root: Path) -> str | None:
        return other_files({root / _FOLDER / file: checksum for file, checksum in self.checksums.items()})

    def download(self, root: Path) -> None:
        """By torchvision: the archive of 2.6 GB into `root`, unpacked there."""
        from torchvision import datasets

        with fetching("STL10", root):
            datasets.STL10(str(root), download=True)

    @property
    def _splits(self) -> dict[str, int]:
        return {"train": self.counts["train"] + self.counts["unlabeled"], "test": self.counts["test"]}

    def _found(self, root: Path) -> Iterator[Path]:
        for part, count in self.counts.items():
            yield self._file(root, f"{part}_X.bin", count * _BYTES)
            if part != "unlabeled":
                yield self._file(root, f"{part}_y.bin", count)

    def _file(self, root: Path, file: str, size: int) -> Path:
        """The path of a file, which is there and has so many bytes."""
        path = root / _FOLDER / file
        if not path.is_file():
            raise missing_files("STL10", f"{_FOLDER}/{file}", root)
        if (found := path.stat().st_size) != size:
            raise damaged("STL10", path, root, f"it has {found:,} bytes, not {size:,}")
        return path

    def _labels(self, root: Path, part: str) -> Tensor:
        """int64 [N]; the file has classes from 1 to 10."""
        import torch

        path = self._file(root, f"{part}_y.bin", self.counts[part])
        labels = np.fromfile(path, np.uint8).astype(np.int64) - 1
        if labels.min() < 0 or labels.max() > 9:
            raise damaged("STL10", path, root, "its labels are not numbers from 1 to 10")
        return torch.from_numpy(labels)

    def _images(self, root: Path, *parts: str) -> Tensor:
        """uint8 [N, 3, 96, 96]; the files have the pixels of a channel column by column.

        The result is allocated once and filled piece by piece from the mapped files: nothing is there twice.
        """
        import torch

        paths = [self._file(root, f"{part}_X.bin", self.counts[part] * _BYTES) for part in parts]
        images = torch.empty((sum(self.counts[part] for part in parts), 3, _SIDE, _SIDE), dtype=torch.uint8)
        done = 0
        for path in paths:
            columns = np.memmap(path, np.uint8, mode="r").reshape(-1, 3, _SIDE, _SIDE)
            for start in range(0, len(columns), _CHUNK):
                piece = columns[start : start + _CHUNK].transpose(0, 1, 3, 2)
                images[done : done + len(piece)].numpy()[...] = piece
                done += len(piece)
        return images
