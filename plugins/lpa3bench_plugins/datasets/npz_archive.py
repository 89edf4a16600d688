"""An .npz file of images and labels, with MedMNIST's keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lpa3bench.data.array_files import npz_keys, read_npz
from lpa3bench.data.pictures import array_pictures
from lpa3bench.data.pixels import Picture
from lpa3bench.types import SPLITS
from lpa3bench_plugins.datasets.sources import OPTIONAL, SPLITS_IN_WORDS, Source, stamp, wrong_source

NAMES_KEY = "class_names"


class Archive(Source):
    """An npz with MedMNIST's keys: `<split>_images` [N, H, W] or [N, H, W, 3], `<split>_labels` [N, 1].

    Images are uint8 or uint16. Labels may be [N] as well. Every class from 0 to the highest has a training
    image. `class_names`, words in the order of the labels, need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        keys = _keys(path)
        splits = [split for split in SPLITS if split != OPTIONAL or f"{split}_images" in keys]
        labels = {split: _whole(path, f"{split}_labels") for split in splits}
        self.num_classes = _classes(path, labels["train"])
        for split, found in labels.items():
            if found.max() >= self.num_classes:
                raise wrong_source(
                    path, f"{split}_labels has {found.max()}, and no training image has that label"
                )
        self.labels = {split: found.tolist() for split, found in labels.items()}
        self.class_names = _names(path, self.num_classes) if NAMES_KEY in keys else ()
        self.stamp = (stamp(path, path.parent),)
        read = {NAMES_KEY} | {f"{split}_{what}" for split in splits for what in ("images", "labels")}
        others = [key for key in sorted(keys) if key not in read]
        self.passed_over = Counter(others)
        self.told = tuple(
            f"{key!r} is passed over; splits are {SPLITS_IN_WORDS}, each of images and labels"
            for key in others
            if key.endswith(("_images", "_labels"))
        )

    def pictures(self, split: str) -> list[Picture]:
        key = f"{split}_images"
        images = _array(self._path, key)
        try:
            found = array_pictures(images, key)
        except ValueError as error:
            raise wrong_source(self._path, str(error)) from error
        if len(found) != len(self.labels[split]):
            raise wrong_source(
                self._path, f"{key} is of shape {list(images.shape)} for {len(self.labels[split])} labels"
            )
        return [picture._replace(name=f"{self._path}, {picture.name}") for picture in found]


def _whole(path: Path, key: str) -> Any:
    """The labels of a split: int64 [N], N > 0, from 0 on."""
    labels = _array(path, key)
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(labels),), (len(labels), 1)):
        raise wrong_source(
            path, f"{key} is {labels.dtype} {list(labels.shape)}, not one whole number for each image"
        )
    if not len(labels):
        raise wrong_source(path, f"{key} is empty")
    if labels.min() < 0:
        raise wrong_source(path, f"{key} has {labels.min()}; labels count from 0")
    if labels.max() > np.iinfo(np.int64).max:
        raise wrong_source(path, f"{key} has {labels.max()}; labels count from 0")
    return labels.reshape(-1).astype(np.int64)


def _names(path: Path, classes: int) -> tuple[str, ...]:
    words = _array(path, NAMES_KEY)
    if words.dtype.kind != "U" or words.shape != (classes,) or len({*words.tolist()}) != classes:
        raise wrong_source(
            path, f"{NAMES_KEY} is {words.dtype} {list(words.shape)}, not {classes} different words"
        )
    return tuple(words.tolist())


def count_classes(path: Path) -> int:
    """How many classes there are, from the training labels alone.

    Raises:
        DataError: they are not there, or not what they should be.
    """
    return _classes(path, _whole(path, "train_labels"))


def _classes(path: Path, train: Any) -> int:
    """How many classes there are, each of which has a training image. train: `_whole`."""
    found = np.unique(train)
    if found[-1] != len(found) - 1:
        missing = int((found != np.arange(len(found))).argmax())
        raise wrong_source(path, f"no training image has label {missing}, and one has {found[-1]}")
    if len(found) < 2:
        raise wrong_source(path, "train_labels has one class only; there must be two or more")
    return len(found)


def _keys(path: Path) -> list[str]:
    with _unpacking(path):
        return npz_keys(path)


def _array(path: Path, key: str) -> Any:
    if key not in _keys(path):
        raise wrong_source(path, f"there is no {key}; the keys are those of MedMNIST's files")
    with _unpacking(path):
        return np.atleast_1d(read_npz(path, key))


@contextmanager
def _unpacking(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise wrong_source(path, f"is no whole .npz file ({error})") from error
