"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), read from the files of the "python version"."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split, WeakView
from lpa3bench.data.array_files import whole_numbers
from lpa3bench_plugins.datasets.files import (
    check_md5,
    check_normalisation,
    damaged,
    fetching,
    missing_files,
    other_files,
    presence_of_files,
    whole,
)

_SIDE = 32
_BYTES = 3 * _SIDE * _SIDE
FINE = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo",
    "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree",
    "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree",
    "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit",
    "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper",
    "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe",
    "whale", "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip
"""CIFAR-100's classes, as its file `meta` has them."""


class _Unpickler(pickle._Unpickler):
    """Reads numpy arrays and plain values, which is all that CIFAR's files hold.

    A pickle can name any function to be called; whatever else one names is refused, so a file from somewhere
    else can do no harm. This is the unpickler written in Python, because that in C makes room for as many
    objects as a file of ten bytes says that it holds; most of a file is one string, so it is as fast.
    """

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]  # the function, wherever this version of numpy keeps it
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"it calls for {module}.{name}, which has no business there")


class _CIFAR(Dataset):
    """What the two have in common: 32×32 colour images, 50,000 for training and 10,000 for testing."""

    paper = "https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf"
    name: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]]
    folder: ClassVar[str]
    files: ClassVar[dict[str, dict[str, int]]]
    """By split, the files and how many images each holds."""
    checksums: ClassVar[dict[str, str]]
    """MD5 of each file, that of the classes' names included, as torchvision has them too."""
    label_key: ClassVar[bytes]
    train_images = 50_000

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        check_normalisation(mean, std, channels=3)
        self.mean = tuple(mean)
        self.std = tuple(std)

    @property
    def spec(self) -> DatasetSpec:
        return DatasetSpec(
            name=self.name,
            num_classes=len(self.class_names),
            class_names=self.class_names,
            channels=3,
            size=_SIDE,
            mean=self.mean,
            std=self.std,
            weak=WeakView(flip=True, pad=4, mode="reflect"),
        )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        import torch

        splits = {}
        for split, files in self.files.items():
            parts = [self._read(root, file, count) for file, count in files.items()]
            images = np.concatenate([images for images, _ in parts]).reshape(-1, 3, _SIDE, _SIDE)
            labels = np.concatenate([labels for _, labels in parts])
            splits[split] = Split(torch.from_numpy(images), torch.from_numpy(labels))
        return splits

    def present(self, root: Path) -> Presence:
        counts = {split: sum(files.values()) for split, files in self.files.items()}
        return presence_of_files(self._found(root), counts)

    def verify(self, root: Path) -> dict[str, int]:
        """Check the MD5 of every file against the official ones, and count."""
        for file, checksum in self.checksums.items():
            check_md5(self.name, root / self.folder / file, root, checksum)
        return super().verify(root)

    def unofficial(self, root: Path) -> str | None:
        files = [file for split in self.files.values() for file in split]
        return other_files({root / self.folder / file: self.checksums[file] for file in files})

    def download(self, root: Path) -> None:
        """By torchvision: the archive into `root`, unpacked there."""
        from torchvision import datasets

        with fetching(self.name, root):
            getattr(datasets, self.name)(str(root), download=True)

    def _found(self, root: Path) -> Iterator[Path]:
        for files in self.files.values():
            for file, count in files.items():
                yield whole(self.name, root / self.folder / file, root, at_least=count * _BYTES)

    def _read(self, root: Path, file: str, count: int) -> tuple[Any, Any]:
        """One file: images uint8 [count, 3072] and labels int64 [count]."""
        path = root / self.folder / file
        if not path.is_file():
            raise missing_files(self.name, f"{self.folder}/{file}", root)
        try:
            with path.open("rb") as stream:
                content = _Unpickler(stream, encoding="bytes").load()
            images = content[b"data"]
            labels = whole_numbers(np.asarray(content[self.label_key]), "labels").astype(np.int64)
        except Exception as error:  # bytes that are not what they should be fail in any way
            raise damaged(self.name, path, root, " ".join(str(error).split())) from error
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape != (count, _BYTES):
            found = (
                f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
            )
            raise damaged(self.name, path, root, f"its images are {found}, not uint8 {(count, _BYTES)}")
        if labels.shape != (count,) or labels.min() < 0 or labels.max() >= len(self.class_names):
            raise damaged(
                self.name,
                path,
                root,
                f"its labels are not {count} numbers from 0 to {len(self.class_names) - 1}",
            )
        return images, labels


class CIFAR10(_CIFAR):
    """Ten classes of objects and animals; files in `cifar-10-batches-py`.

    The weak view is FixMatch's (flip, reflection by 4 pixels); noisy-label methods pad with zeros.

    Args:
        mean: of images in [0, 1]; the default is FixMatch's and DivideMix's.
        std: as `mean`. This common value is a mean over images of each image's own deviation.
        train: the first so many training images, as many of each class, in stored order; a multiple of ten.
            None: all that `val` leaves. The test set stays whole.
        val: the next so many, likewise, are a validation split, which the official data do not have.

    Raises:
        ValueError: a value is out of range, or `train` and `val` are more than there is.
    """

    added = ("train", "val")
    name = "CIFAR10"
    class_names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    folder = "cifar-10-batches-py"
    files: ClassVar[dict[str, dict[str, int]]] = {
        "train": {f"data_batch_{i}": 10_000 for i in range(1, 6)},
        "test": {"test_batch": 10_000},
    }
    checksums: ClassVar[dict[str, str]] = {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    }
    label_key = b"labels"

    def __init__(
        self,
        *,
        mean: tuple[float, ...] = (0.4914, 0.4822, 0.4465),
        std: tuple[float, ...] = (0.2023, 0.1994, 0.2010),
        train: int | None = None,
        val: int = 0,
    ) -> None:
        super().__init__(mean, std)
        whole = sum(self.files["train"].values())
        for name, count, least in (("train", train, 1), ("val", val, 0)):
            if count is not None and (count < least or count % len(self.class_names)):
                raise ValueError(f"{name}: must be a multiple of the 10 classes, >= {least}, not {count}")
        self.val = val
        self.train_images = whole - val if train is None else train
        if self.train_images < 1 or self.train_images + val > whole:
            raise ValueError(
                f"val: {val} and {train or 1} training images are more than the {whole} there are"
            )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        import torch

        splits = super().load(root, cache=cache)
        images, labels, _ = splits["train"]
        if self.train_images == len(labels):
            return splits
        place = torch.empty_like(labels)  # of each image among those of its class, from 0
        for label in range(len(self.class_names)):
            members = (labels == label).nonzero()[:, 0]
            place[members] = torch.arange(len(members))
        train, val = (count // len(self.class_names) for count in (self.train_images, self.val))
        chosen = {"train": place < train, "val": (place >= train) & (place < train + val)}
        parts = {name: Split(images[mask], labels[mask]) for name, mask in chosen.items() if mask.any()}
        return {**parts, "test": splits["test"]}

    def present(self, root: Path) -> Presence:
        found = super().present(root)
        if found.splits is None:
            return found
        own = {"train": self.train_images} | ({"val": self.val} if self.val else {})
        return replace(found, splits={**own, "test": found.splits["test"]})


class CIFAR100(_CIFAR):
    """A hundred classes in twenty superclasses; the fine labels; files in `cifar-100-python`.

    The weak view is FixMatch's (flip, reflection by 4 pixels); noisy-label methods pad with zeros.

    Args:
        mean: of images in [0, 1]; the default is FixMatch's. DivideMix and PES have (.507, .487, .441).
        std: as `mean`; DivideMix and PES have (.267, .256, .276).
    """

    name = "CIFAR100"
    class_names = FINE
    folder = "cifar-100-python"
    files: ClassVar[dict[str, dict[str, int]]] = {"train": {"train": 50_000}, "test": {"test": 10_000}}
    checksums: ClassVar[dict[str, str]] = {
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    }
    label_key = b"fine_labels"

    def __init__(
        self,
        *,
        mean: tuple[float, ...] = (0.5071, 0.4867, 0.4408),
        std: tuple[float, ...] = (0.2675, 0.2565, 0.2761),
    ) -> None:
        super().__init__(mean, std)
