"""What may lie where a user's own images are looked for: links, pipes, devices, and labels of any kind."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pictures import CLASSES, draw, made_folder

from lpa3bench.errors import DataError
from lpa3bench_plugins.datasets.class_folders import Folder
from lpa3bench_plugins.datasets.images import Images, glance
from lpa3bench_plugins.datasets.npz_archive import Archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made_folder(tmp_path)


def names(folder: Path, split: str = "train") -> list[str]:
    return [name.removeprefix(f"{split}/") for name in Folder(folder).ids(split)]


# ------------------------------------------------------------------------------------------------- links
WHOLE = [f"{name}/{place}.png" for name in CLASSES for place in range(3)]
HARMLESS: dict[str, Callable[[Path], Any]] = {
    "to its own folder": lambda f: (f / "train/ant/again").symlink_to("."),
    "to its own folder, two": lambda f: [(f / f"train/ant/{name}").symlink_to(".") for name in "xy"],
    "to an ancestor in the class": lambda f: (
        (f / "train/ant/deep/deeper").mkdir(parents=True),
        (f / "train/ant/deep/deeper/up").symlink_to("../.."),
    ),
    "two that lead to each other": lambda f: [
        ((f / f"train/ant/{one}").mkdir(), (f / f"train/ant/{one}/to").symlink_to(f"../{other}"))
        for one, other in (("x", "y"), ("y", "x"))
    ],
    "hidden": lambda f: (f / "train/ant/.loop").symlink_to(".loop"),
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_each_real_folder_is_read_once(folder: Path, kind: str) -> None:
    before = Folder(folder)
    HARMLESS[kind](folder)
    assert names(folder) == WHOLE
    assert Folder(folder).stamp == before.stamp


def test_an_image_keeps_the_name_that_it_has_without_links(folder: Path) -> None:
    draw(folder / "train/ant/z/9.png", 30)
    (folder / "train/ant/a").symlink_to("z")
    assert names(folder) == sorted([*WHOLE, "ant/z/9.png"])


def test_links_to_images_elsewhere_are_followed(folder: Path, tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere/deep/1.png", 50)
    (folder / "train/ant/more").symlink_to(tmp_path / "elsewhere")
    (folder / "train/ant/3.png").symlink_to("2.png")
    assert names(folder) == sorted([*WHOLE, "ant/3.png", "ant/more/deep/1.png"])


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "one folder, two classes": (
        lambda f: [(f / split / "dog").symlink_to("ant") for split in ("train", "val", "test")],
        r"train/dog: is the same folder as \S*train/ant, which is of class 'ant'",
    ),
    "to the split": (
        lambda f: (f / "train/ant/up").symlink_to(".."),
        r"train/bee: is the same folder as \S*train/ant/up/bee, which is of class 'ant'",
    ),
    "to everything": (
        lambda f: [(f / f"train/{name}/up").symlink_to("../..") for name in CLASSES],
        r"is the same folder as .*, which is of class 'ant'",
    ),
    "to itself": (
        lambda f: (f / "train/ant/loop").symlink_to("loop"),
        r"train/ant/loop cannot be read \(Too many levels",
    ),
    "a class that is gone": (
        lambda f: (f / "train/dog").symlink_to("gone"),
        r"train/dog cannot be read \(No such file",
    ),
}
NO_FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "to itself": (lambda path: path.symlink_to(path.name), "Too many levels"),
    "broken": (lambda path: path.symlink_to("gone"), "No such file"),
    "a pipe": (os.mkfifo, "it is no file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "it is no file"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_meant_is_one_line(folder: Path, kind: str) -> None:
    spoil, message = REFUSED[kind]
    spoil(folder)
    dataset = Images(path=str(folder), size=8)
    assert dataset.spec.num_classes >= 2
    with pytest.raises(DataError, match=message) as caught:
        dataset.load(Path())
    assert str(caught.value).startswith("Images.path: ")
    assert dataset.present(Path()).problem == str(caught.value)


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_called_an_image_and_is_no_file_cannot_be_read(folder: Path, kind: str) -> None:
    make, why = NO_FILES[kind]
    make(folder / "train/ant/7.png")
    with pytest.raises(DataError, match=rf"Images: \S*train/ant/7\.png cannot be read \(.*{why}"):
        Images(path=str(folder), size=8).load(Path())


def test_a_pipe_that_is_no_image_is_passed_over(folder: Path) -> None:
    os.mkfifo(folder / "train/ant/pipe")
    assert names(folder) == WHOLE


# ------------------------------------------------------------------------------------------------ an npz
def archive(path: Path, train: Any, test: Any = None) -> Path:
    labels = {"train": np.asarray(train), "test": np.asarray(train if test is None else test)}
    images = {f"{split}_images": np.zeros((len(of), 4, 4), np.uint8) for split, of in labels.items()}
    np.savez(path, **images, **{f"{split}_labels": of for split, of in labels.items()})
    return path


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 10**9]), "no training image has label 1, and one has 1000000000"),
        (np.array([0, 2**63 - 1]), "no training image has label 1, and one has 9223372036854775807"),
        (np.array([0, 2**64 - 1], np.uint64), "train_labels has 18446744073709551615"),
        (np.array([1, 2]), "no training image has label 0, and one has 2"),
        (np.array([0, 1j]), r"train_labels is complex128 \[2\], not one whole number"),
        (np.array(["a", "b"]), r"train_labels is <U1 \[2\], not one whole number"),
        (np.array([True, False]), r"train_labels is bool \[2\], not one whole number"),
    ],
)
def test_labels_of_any_size_take_no_memory(tmp_path: Path, labels: Any, message: str) -> None:
    path = archive(tmp_path / "mine.npz", labels)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=rf"mine\.npz: {message}"):
            Archive(path)
        assert glance(path) == (0, ())
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_classes_are_counted_by_what_training_images_have(tmp_path: Path) -> None:
    path = archive(tmp_path / "mine.npz", [2, 0, 1, 1])
    assert Archive(path).num_classes == glance(path)[0] == 3
    with pytest.raises(DataError, match="test_labels has 3, and no training image has that label"):
        Archive(archive(path, [0, 1, 2], [3]))


def test_an_archive_may_name_its_classes(tmp_path: Path) -> None:
    path = archive(tmp_path / "mine.npz", [0, 1, 2])

    def named(words: Any) -> Archive:
        with np.load(path) as held:
            arrays = {key: held[key] for key in held.files}
        np.savez(path, **{**arrays, "class_names": words})
        return Archive(path)

    assert Archive(path).class_names == ()
    archived = named(np.array(["ant", "bee", "cät"]))
    assert archived.class_names == ("ant", "bee", "cät")
    assert not archived.passed_over
    for wrong in (np.array(["ant", "bee"]), np.array(["ant", "bee", "bee"]), np.arange(3)):
        with pytest.raises(DataError, match=r"mine\.npz: class_names is .*, not 3 different words"):
            named(wrong)
