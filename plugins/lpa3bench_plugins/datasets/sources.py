"""Where a user's own images come from: a folder of class folders, or an npz. Looked through, not decoded.

Everything that can be wrong with either is one line that names the file.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from lpa3bench.data.array_files import npz_keys, read_npz
from lpa3bench.errors import DataError

SPLITS = ("train", "val", "test")
OPTIONAL = "val"
_SPLITS = "train, val and test"
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Those that torchvision's ImageFolder reads."""
NO_IMAGES = (".txt", ".md", ".csv", ".json", ".xml", ".html", ".db", ".ini")
"""Notes, and what systems leave: not worth a word where images lie."""
SYSTEMS = (
    *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "@SynoResource"),
    *("__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found"),
)
"""Folders that a NAS, macOS, Windows or a file system puts among others: thumbnails, what was deleted."""


class Picture(NamedTuple):
    """An image that has not been decoded."""

    name: str
    """What an error calls it."""
    open: Callable[[], Image.Image]


class Source(ABC):
    """The images of a data set and their labels, in an order that is always the same."""

    num_classes: int
    class_names: tuple[str, ...] = ()
    """In the order of the labels; empty where they have none."""
    labels: dict[str, list[int]]
    """By split, "val" only where there is one."""
    stamp: tuple[str, ...]
    """Changes when the images do: names, sizes and times of modification of the files."""
    passed_over: tuple[str, ...] = ()
    """What looks like a part of it and is not, a line each."""

    @abstractmethod
    def pictures(self, split: str) -> list[Picture]:
        """The images of a split, as many as its labels."""

    def ids(self, split: str) -> tuple[str, ...] | None:
        """What the images of a split are called; None where they have no names."""
        return None


def find_source(path: Path) -> Source:
    """The source at `path`.

    Raises:
        DataError: it is not there, or is not what it should be.
    """
    if path.is_dir():
        return Folder(path)
    if path.suffix == ".npz" and path.is_file():
        return Archive(path)
    raise DataError(f"Images.path: there is no folder or .npz file {path.absolute()}")


def glance(path: Path) -> tuple[int, tuple[str, ...]]:
    """The number of classes, and their names where they have any, as far as they can be told at a glance; 0
    where they cannot."""
    try:
        if path.is_dir():
            names = tuple(_class_folders(path / "train"))
            return len(names), names
        return _classes(path, _whole(path, "train_labels")), ()
    except DataError:  # what is wrong is said when the data set is loaded
        return 0, ()


# ------------------------------------------------------------------------------------------------- a folder
class Folder(Source):
    """`<split>/<class>/…/<image>`, as torchvision's ImageFolder reads a split.

    Classes are numbered in the order of their names. Images lie in the folder of their class or anywhere
    below it. Hidden files, notes, and the folders of `SYSTEMS` are passed over; so are other files, and
    folders beside the splits that look like one, but they are told.
    """

    def __init__(self, path: Path) -> None:
        folders = {split: _class_folders(path / split) for split in self._splits(path)}
        classes = folders["train"]
        if len(classes) < 2:
            raise _wrong(path / "train", "there must be two or more folders in it, one for each class")
        for split, found in folders.items():
            for one, other, here, there in (
                (classes, found, "train", split),
                (found, classes, split, "train"),
            ):
                if extra := [name for name in one if name not in other]:
                    raise _wrong(
                        path, f"class {extra[0]!r} is in {here}, but there is no folder {there}/{extra[0]}"
                    )
        self._path = path
        self.num_classes = len(classes)
        self.class_names = tuple(classes)
        self.labels, stamp, told = {}, [], _other_splits(path, list(folders), classes)
        self._files: dict[str, list[Path]] = {}
        for split in folders:
            of_split = _Classes(path / split)
            files = [of_split.images(path / split / name) for name in classes]
            self._files[split] = [file for of_class in files for file in of_class]
            self.labels[split] = [label for label, of_class in enumerate(files) for _ in of_class]
            stamp += [_stamp(file, path) for file in self._files[split]]
            told += of_split.told(split)
        self.stamp, self.passed_over = tuple(stamp), tuple(told)

    def pictures(self, split: str) -> list[Picture]:
        return [Picture(str(file), partial(Image.open, file)) for file in self._files[split]]

    def ids(self, split: str) -> tuple[str, ...]:
        """Paths relative to the folder: `train/cat/1.png`."""
        return tuple(file.relative_to(self._path).as_posix() for file in self._files[split])

    @staticmethod
    def _splits(path: Path) -> list[str]:
        here = [split for split in SPLITS if (path / split).is_dir()]
        if missing := [split for split in SPLITS if split not in here and split != OPTIONAL]:
            raise _wrong(
                path, f"there is no folder {missing[0]}; there must be train/<class>/… and test/<class>/…"
            )
        return here


def _class_folders(path: Path) -> list[str]:
    with _reading():
        places = [place for place in path.iterdir() if not _hidden(place.name)]
        for place in places:
            if place.is_symlink():
                place.stat()  # one that leads nowhere is no class less
        return sorted(place.name for place in places if place.is_dir())


def _other_splits(path: Path, splits: list[str], classes: list[str]) -> list[str]:
    """A line for each folder beside the splits that holds classes as they do."""
    with _reading():
        return [
            f"the folder {place.name!r} has folders of classes and is passed over; splits are {_SPLITS}"
            for place in sorted(path.iterdir())
            if not _hidden(place.name)
            and place.is_dir()
            and any((place / name).is_dir() for name in classes)
            and not any(place.samefile(path / split) for split in splits)
        ]


class _Classes:
    """The images of each class of a split. Links are followed, and no folder is read twice."""

    def __init__(self, split: Path) -> None:
        self._others: Counter[str] = Counter()
        """Files of other kinds, by how their names end."""
        with _reading():
            self._loose = sum(_worth_a_word(entry.name) and not entry.is_dir() for entry in os.scandir(split))
        """Files that are of no class."""
        self._read: dict[tuple[int, int], tuple[str, Path]] = {}
        """Of each folder that was read, by device and inode: its class and its path."""

    def images(self, folder: Path) -> list[Path]:
        """Below the folder of a class, in the order of their paths; there is at least one."""
        found: list[Path] = []
        real, linked = [folder], list[Path]()
        with _reading():
            while real or linked:  # what a link leads to may lie here itself, and keeps its own name then
                here = real.pop() if real else linked.pop(0)
                if self._again(here, folder.name):
                    continue
                for entry in sorted(os.scandir(here), key=lambda entry: entry.name):
                    if _hidden(entry.name):
                        continue
                    if entry.is_dir():
                        (linked if entry.is_symlink() else real).append(Path(entry))
                    elif _is_image(entry.name):
                        found.append(Path(entry))
                    elif _worth_a_word(entry.name):
                        self._others[_ending(entry.name)] += 1
        if not found:
            raise _wrong(folder, f"the class has no image ({' '.join(EXTENSIONS)})")
        return sorted(found)

    def told(self, split: str) -> Iterator[str]:
        """What was passed over."""
        if self._others:
            kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(self._others.items()))
            yield f"{split} files of other kinds are passed over ({kinds}); read are {' '.join(EXTENSIONS)}"
        if self._loose:
            yield f"{split} files in no folder of a class are passed over ({self._loose})"

    def _again(self, folder: Path, name: str) -> bool:
        """Whether it was read before, for this class."""
        state = folder.stat()
        of_class, before = self._read.setdefault((state.st_dev, state.st_ino), (name, folder))
        if of_class != name:
            raise _wrong(folder, f"is the same folder as {before}, which is of class {of_class!r}")
        return before != folder


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in SYSTEMS


def _is_image(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)


def _worth_a_word(name: str) -> bool:
    """Of a file that is passed over."""
    return not _hidden(name) and not name.lower().endswith(NO_IMAGES)


def _ending(name: str) -> str:
    """Of a file, such as ".gif"."""
    ending = Path(name).suffix.lower()
    return ending if ending[1:].isascii() and ending[1:].isalnum() else "without an ending"


def _stamp(file: Path, root: Path) -> str:
    with _reading():
        state = file.stat()
    if not stat.S_ISREG(state.st_mode):  # a pipe would wait for somebody to write
        raise _wrong(file, "is no file; remove it")
    return f"{file.relative_to(root)} {state.st_size} {state.st_mtime_ns}"


@contextmanager
def _reading() -> Iterator[None]:
    """What the file system refuses becomes one line."""
    try:
        yield
    except OSError as error:
        raise DataError(f"Images.path: {error.filename} cannot be read ({error.strerror})") from error


def _wrong(path: Path, fault: str) -> DataError:
    return DataError(f"Images.path: {path}: {fault}")


# --------------------------------------------------------------------------------------------------- an npz
class Archive(Source):
    """An npz with MedMNIST's keys: `<split>_images` uint8 [N, H, W] or [N, H, W, 3], `<split>_labels` [N, 1].

    Labels may be [N] as well. Every class from 0 to the highest has a training image.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        keys = _keys(path)
        splits = [split for split in SPLITS if split != OPTIONAL or f"{split}_images" in keys]
        labels = {split: _whole(path, f"{split}_labels") for split in splits}
        self.num_classes = _classes(path, labels["train"])
        for split, found in labels.items():
            if found.max() >= self.num_classes:
                raise _wrong(path, f"{split}_labels has {found.max()}, and no training image has that label")
        self.labels = {split: found.tolist() for split, found in labels.items()}
        self.stamp = (_stamp(path, path.parent),)
        read = {f"{split}_{what}" for split in splits for what in ("images", "labels")}
        self.passed_over = tuple(
            f"{key!r} is passed over; splits are {_SPLITS}, each of images and labels"
            for key in sorted(keys)
            if key.endswith(("_images", "_labels")) and key not in read
        )

    def pictures(self, split: str) -> list[Picture]:
        key = f"{split}_images"
        images = _array(self._path, key)
        if images.ndim == 4 and images.shape[3] == 1:
            images = images[..., 0]
        if (
            images.dtype != np.uint8
            or images.ndim not in (3, 4)
            or (images.ndim == 4 and images.shape[3] != 3)
        ):
            raise _wrong(
                self._path,
                f"{key} is {images.dtype} {list(images.shape)}, not uint8 [N, H, W] or [N, H, W, 3]",
            )
        if len(images) != len(self.labels[split]) or 0 in images.shape:
            raise _wrong(
                self._path, f"{key} is of shape {list(images.shape)} for {len(self.labels[split])} labels"
            )
        return [
            Picture(f"{self._path}, {key}[{place}]", partial(Image.fromarray, image))
            for place, image in enumerate(images)
        ]


def _whole(path: Path, key: str) -> Any:
    """The labels of a split: int64 [N], N > 0, from 0 on."""
    labels = _array(path, key)
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(labels),), (len(labels), 1)):
        raise _wrong(
            path, f"{key} is {labels.dtype} {list(labels.shape)}, not one whole number for each image"
        )
    if not len(labels):
        raise _wrong(path, f"{key} is empty")
    if labels.min() < 0:
        raise _wrong(path, f"{key} has {labels.min()}; labels count from 0")
    if labels.max() > np.iinfo(np.int64).max:
        raise _wrong(path, f"{key} has {labels.max()}; labels count from 0")
    return labels.reshape(-1).astype(np.int64)


def _classes(path: Path, train: Any) -> int:
    """How many classes there are, each of which has a training image. train: `_whole`."""
    found = np.unique(train)
    if found[-1] != len(found) - 1:
        missing = int((found != np.arange(len(found))).argmax())
        raise _wrong(path, f"no training image has label {missing}, and one has {found[-1]}")
    if len(found) < 2:
        raise _wrong(path, "train_labels has one class only; there must be two or more")
    return len(found)


def _keys(path: Path) -> list[str]:
    with _unpacking(path):
        return npz_keys(path)


def _array(path: Path, key: str) -> Any:
    if key not in _keys(path):
        raise _wrong(path, f"there is no {key}; the keys are those of MedMNIST's files")
    with _unpacking(path):
        return np.atleast_1d(read_npz(path, key))


@contextmanager
def _unpacking(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise _wrong(path, f"is no whole .npz file ({error})") from error
