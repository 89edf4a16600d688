"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017), read from its idx files."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split, WeakView
from lpa3bench_plugins.datasets.files import (
    check_normalisation,
    damaged,
    fetching,
    missing_files,
    presence_of_files,
    whole,
)

_SIDE = 28
_FOLDER = "FashionMNIST/raw"
UNSIGNED_BYTE = 8
_LONGEST = 16 + 60_000 * _SIDE * _SIDE
"""Bytes of the longest file: its header and the training images."""
_CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


class FashionMNIST(Dataset):
    """Grey 28×28 pictures of ten kinds of clothing, 60,000 for training and 10,000 for testing.

    Found in `FashionMNIST/raw` below the data folder, where torchvision puts them, or in the data folder
    itself; unpacked or as `.gz`. So Debian's package dataset-fashion-mnist serves as it is.

    The weak view flips (clothes face either way) and moves by up to two pixels over the black ground.

    Args:
        mean: of images in [0, 1]; the default is the training split's.
        std: as `mean`.
    """

    paper = "https://arxiv.org/abs/1708.07747"
    train_images = 60_000
    files: ClassVar[dict[str, tuple[str, int]]] = {"train": ("train", 60_000), "test": ("t10k", 10_000)}
    """By split, how its files begin and how many images there are."""
    checksums: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    }
    """MD5 of the *unpacked* files: the published ones are of the archives, which a packager may pack anew."""

    def __init__(self, *, mean: tuple[float, ...] = (0.2860,), std: tuple[float, ...] = (0.3530,)) -> None:
        check_normalisation(mean, std, channels=1)
        self.mean = tuple(mean)
        self.std = tuple(std)

    @property
    def spec(self) -> DatasetSpec:
        return DatasetSpec(
            name="FashionMNIST",
            num_classes=len(_CLASS_NAMES),
            class_names=_CLASS_NAMES,
            channels=1,
            size=_SIDE,
            mean=self.mean,
            std=self.std,
            weak=WeakView(flip=True, pad=2, mode="constant"),
        )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        import torch

        splits = {}
        for split, (prefix, count) in self.files.items():
            images = self._array(root, f"{prefix}-images-idx3-ubyte", (count, _SIDE, _SIDE))
            labels = self._array(root, f"{prefix}-labels-idx1-ubyte", (count,)).astype(np.int64)
            splits[split] = Split(torch.from_numpy(images)[:, None], torch.from_numpy(labels))
        return splits

    def present(self, root: Path) -> Presence:
        return presence_of_files(
            self._found(root), {split: count for split, (_, count) in self.files.items()}
        )

    def verify(self, root: Path) -> dict[str, int]:
        """Check the MD5 of every file's unpacked contents, and count."""
        for path, found, expected in self._sums(root):
            if found != expected:
                raise damaged("FashionMNIST", path, root, f"its contents' MD5 is {found}, not {expected}")
        return super().verify(root)

    def unofficial(self, root: Path) -> str | None:
        names = [path.name for path, found, expected in self._sums(root) if found != expected]
        return f"{', '.join(names)}: contents of another MD5" if names else None

    def _sums(self, root: Path) -> Iterator[tuple[Path, str, str]]:
        """Of each file the path, its contents' MD5 and the official one."""
        for file, expected in self.checksums.items():
            path, content = self._content(root, file)
            yield path, hashlib.md5(content, usedforsecurity=False).hexdigest(), expected

    def download(self, root: Path) -> None:
        """By torchvision: the archives into `FashionMNIST/raw`, unpacked there."""
        from torchvision import datasets

        with fetching("FashionMNIST", root):
            datasets.FashionMNIST(str(root), download=True)

    def _found(self, root: Path) -> Iterator[Path]:
        for prefix, count in self.files.values():
            for what, each in (("images-idx3", _SIDE * _SIDE), ("labels-idx1", 1)):
                path = self._path(root, f"{prefix}-{what}-ubyte")
                yield whole("FashionMNIST", path, root, at_least=1 if path.suffix == ".gz" else count * each)

    def _path(self, root: Path, file: str) -> Path:
        """The first place where the file is."""
        places = [folder / f"{file}{end}" for folder in (root / _FOLDER, root) for end in ("", ".gz")]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise missing_files("FashionMNIST", f"{_FOLDER}/{file}", root)
        return path

    def _content(self, root: Path, file: str) -> tuple[Path, bytes]:
        """Where the file is, and its bytes, unpacked."""
        path = self._path(root, file)
        try:
            with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as stream:
                content = stream.read(_LONGEST + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise damaged("FashionMNIST", path, root, str(error)) from error
        if len(content) > _LONGEST:
            raise damaged("FashionMNIST", path, root, f"it holds more than {_LONGEST:,} bytes")
        return path, content

    def _array(self, root: Path, file: str, shape: tuple[int, ...]) -> Any:
        """The file's array: uint8 of that shape.

        An idx file opens with two zero bytes, one for the type and one for the number of dimensions, and the
        dimensions as big-endian 32-bit numbers.
        """
        path, content = self._content(root, file)
        header = bytes((0, 0, UNSIGNED_BYTE, len(shape))) + np.array(shape, dtype=">i4").tobytes()
        if content[: len(header)] != header or len(content) != len(header) + np.prod(shape):
            raise damaged("FashionMNIST", path, root, f"not an idx file of {list(shape)} bytes")
        return np.frombuffer(content, dtype=np.uint8, offset=len(header)).reshape(shape).copy()
