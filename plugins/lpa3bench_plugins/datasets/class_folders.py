"""A folder `<split>/<class>/…`: which of its files are images, of which class, and what is passed over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from lpa3bench.data.pictures import EXTENSIONS, is_image, open_file, skipped
from lpa3bench.data.pixels import Picture
from lpa3bench.errors import DataError
from lpa3bench.types import SPLITS
from lpa3bench_plugins.datasets.sources import OPTIONAL, SPLITS_IN_WORDS, Source, stamp, wrong_source

NO_IMAGES = (".txt", ".md", ".csv", ".json", ".xml", ".html", ".db", ".ini")
"""Notes, and what systems leave: not worth a warning where images lie."""
OF_NO_CLASS = "in no folder of a class"
LIKE_A_SPLIT = "like a split"
"""Folders beside the splits."""
OTHER_SPLITS = ("training", "valid", "validation", "dev", "eval", "evaluation", "testing", "holdout")
"""What others call theirs."""


class Folder(Source):
    """`<split>/<class>/…/<image>`, as torchvision's ImageFolder reads a split.

    Classes are numbered in the order of their names. Images lie in the folder of their class or anywhere
    below it. Hidden files, notes, and the folders of `SYSTEMS` are passed over and counted; so are other
    files, and folders beside the splits that look like one, of which there is a warning.
    """

    def __init__(self, path: Path) -> None:
        folders = {split: _class_folders(path / split) for split in _splits(path)}
        classes = folders["train"]
        if len(classes) < 2:
            raise wrong_source(path / "train", "there must be two or more folders in it, one for each class")
        for split, found in folders.items():
            for one, other, here, there in (
                (classes, found, "train", split),
                (found, classes, split, "train"),
            ):
                if extra := [name for name in one if name not in other]:
                    raise wrong_source(
                        path,
                        f"class {extra[0]!r} is in {here}, but there is no folder {there}/{extra[0]}"
                        f"{_is_it(extra[0], [name for name in other if name not in one])}; "
                        "every split needs images of every class",
                    )
        self._path = path
        self.num_classes = len(classes)
        self.class_names = tuple(classes)
        self.labels, stamps, told = {}, [], _other_splits(path, list(folders), classes)
        self._files: dict[str, list[Path]] = {}
        self.passed_over = Counter({LIKE_A_SPLIT: len(told)})
        for split in folders:
            of_split = _Classes(path / split)
            files = [of_split.images(path / split / name) for name in classes]
            self._files[split] = [file for of_class in files for file in of_class]
            self.labels[split] = [label for label, of_class in enumerate(files) for _ in of_class]
            stamps += [stamp(file, path) for file in self._files[split]]
            told += of_split.told(split)
            self.passed_over += of_split.passed_over
        self.stamp, self.told = tuple(stamps), tuple(told)

    def pictures(self, split: str) -> list[Picture]:
        return [Picture(str(file), partial(open_file, file)) for file in self._files[split]]

    def ids(self, split: str) -> tuple[str, ...]:
        """Paths relative to the folder: `train/cat/1.png`."""
        return tuple(file.relative_to(self._path).as_posix() for file in self._files[split])


def class_names(path: Path) -> tuple[str, ...]:
    """The classes of a folder of splits, from the names of its folders.

    Raises:
        DataError: it has no "train" that can be read.
    """
    return tuple(_class_folders(path / "train"))


def _splits(path: Path) -> list[str]:
    here = [split for split in SPLITS if (path / split).is_dir()]
    if missing := [split for split in SPLITS if split not in here and split != OPTIONAL]:
        alike = [name for name in _folder_names(path) if name not in SPLITS and _meant(name) == missing[0]]
        hint = f" (is it {alike[0]!r}?)" if alike else ""
        raise wrong_source(
            path,
            f"there is no folder {missing[0]}{hint}; there must be train/<class>/… and test/<class>/…; "
            "docs/own-images.md has a script that makes them of folders of classes",
        )
    return here


def _is_it(name: str, others: list[str]) -> str:
    """A question, where one of the others may be the same name written in another way."""
    near = get_close_matches(name.lower(), [other.lower() for other in others], n=1)
    return "".join(f" (is it {other!r}?)" for other in others if [other.lower()] == near)


def _class_folders(path: Path) -> list[str]:
    with _reading():
        places = [place for place in path.iterdir() if not skipped(place.name)]
        for place in places:
            if place.is_symlink():
                place.stat()  # one that leads nowhere is no class less
        return sorted(place.name for place in places if place.is_dir())


def _folder_names(path: Path) -> list[str]:
    with _reading():
        return sorted(place.name for place in path.iterdir() if not skipped(place.name) and place.is_dir())


def _meant(name: str) -> str | None:
    """The split that a folder's name is a misspelling of, or another word for."""
    near = get_close_matches(name.lower(), (*SPLITS, *OTHER_SPLITS), n=1, cutoff=0.75)
    found = near[0] if near else ""
    return next((split for split in SPLITS if found.startswith(split)), OPTIONAL if found else None)


def _other_splits(path: Path, splits: list[str], classes: list[str]) -> list[str]:
    """A line for each folder beside the splits that holds classes as they do, or is called nearly as one."""
    told = []
    with _reading():
        for name in _folder_names(path):
            place = path / name
            if any(place.samefile(path / split) for split in splits):
                continue
            of_classes = any((place / of_class).is_dir() for of_class in classes)
            if of_classes or _meant(name):
                why = "has folders of classes" if of_classes else "looks like a split"
                told.append(
                    f"the folder {name!r} {why} and is passed over; splits are {SPLITS_IN_WORDS}, "
                    "so rename it if it is one"
                )
    return told


class _Classes:
    """The images of each class of a split. Links are followed, and no folder is read twice."""

    def __init__(self, split: Path) -> None:
        self.passed_over: Counter[str] = Counter()
        """Files and folders, by kind."""
        self._others: Counter[str] = Counter()
        """Files of other kinds that a warning tells of, by how their names end."""
        self._loose = 0
        """Files that are of no class."""
        with _reading():
            for entry in os.scandir(split):
                if kind := skipped(entry.name):
                    self.passed_over[kind] += 1
                elif not entry.is_dir():
                    self._loose += _worth_a_word(entry.name)
                    self.passed_over[OF_NO_CLASS] += 1
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
                    if kind := skipped(entry.name):
                        self.passed_over[kind] += 1
                    elif _is_folder(entry):
                        (linked if entry.is_symlink() else real).append(Path(entry))
                    elif is_image(entry.name):
                        found.append(Path(entry))
                    else:
                        self._others[_ending(entry.name)] += _worth_a_word(entry.name)
                        self.passed_over[_ending(entry.name)] += 1
        if not found:
            raise wrong_source(folder, f"the class has no image ({' '.join(EXTENSIONS)})")
        return sorted(found)

    def told(self, split: str) -> Iterator[str]:
        """What was passed over and might have been meant as an image."""
        if others := +self._others:
            kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(others.items()))
            yield f"{split} files of other kinds are passed over ({kinds}); read are {' '.join(EXTENSIONS)}"
        if self._loose:
            yield f"{split} files in no folder of a class are passed over ({self._loose})"

    def _again(self, folder: Path, name: str) -> bool:
        """Whether it was read before, for this class."""
        state = folder.stat()
        of_class, before = self._read.setdefault((state.st_dev, state.st_ino), (name, folder))
        if of_class != name:
            raise wrong_source(folder, f"is the same folder as {before}, which is of class {of_class!r}")
        return before != folder


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        if is_image(entry.name):  # it is named with all others that cannot be read
            return False
        raise


def _worth_a_word(name: str) -> bool:
    """Of a file that is passed over."""
    return not name.lower().endswith(NO_IMAGES)


def _ending(name: str) -> str:
    """Of a file, such as ".gif"."""
    ending = Path(name).suffix.lower()
    return ending if ending[1:].isascii() and ending[1:].isalnum() else "without an ending"


@contextmanager
def _reading() -> Iterator[None]:
    """What the file system refuses becomes one line."""
    try:
        yield
    except OSError as error:
        raise DataError(f"Images.path: {error.filename} cannot be read ({error.strerror})") from error
