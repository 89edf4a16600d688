"""What a user's own images leave out is told, and what is none of them is not taken in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.pictures import CLASSES, COUNTS, draw

from lpa3bench.data.pictures import EXTENSIONS, SYSTEMS
from lpa3bench.data.pixels import GREY_IMAGE, TRANSPARENT
from lpa3bench_plugins.datasets.class_folders import LIKE_A_SPLIT, OF_NO_CLASS, Folder
from lpa3bench_plugins.datasets.images import Images
from lpa3bench_plugins.datasets.npz_archive import Archive

RENAME = "splits are train, val and test, so rename it if it is one"

READ = " ".join(EXTENSIONS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As `support.pictures.made_folder`, but no image lies there twice."""
    value = 40
    for split, count in COUNTS.items():
        for name in CLASSES:
            for place in range(count):
                value += 1
                draw(tmp_path / "mine" / split / name / f"{place}.png", value)
    return tmp_path / "mine"


def told(folder: Path) -> tuple[str, ...]:
    """What a run on it starts with."""
    dataset = Images(path=str(folder), size=12)
    assert dataset.warnings(Path()) == ()
    dataset.load(Path())
    return dataset.warnings(Path())


def write(path: Path, content: str = "no image") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


QUIET: dict[str, Callable[[Path], Any]] = {
    "nothing": lambda f: None,
    "notes": lambda f: [write(f / "train/ant" / name) for name in ("a.TXT", "Thumbs.db", "list.csv")],
    "hidden": lambda f: [write(f / "train" / name) for name in (".a.gif", "ant/.a.gif", "ant/.b/a.gif")],
    "other folders": lambda f: [write(f / "notes/a.gif"), write(f / ".git/ant/a.gif")],
    "another name of a split": lambda f: (f / "valid").symlink_to("val"),
    "thumbnails": lambda f: [draw(f / "train/ant" / name / "1.png/T.jpg", 200) for name in SYSTEMS],
    "beside classes": lambda f: [draw(f / "train" / name / "1.png", 200) for name in SYSTEMS],
    "beside splits": lambda f: [draw(f / name / "ant/1.png", 200) for name in SYSTEMS],
}


@pytest.mark.parametrize("kind", QUIET)
def test_what_is_not_worth_a_word(folder: Path, kind: str) -> None:
    before = Folder(folder)
    QUIET[kind](folder)
    assert Folder(folder).stamp == before.stamp, "no image more, none less"
    assert Folder(folder).class_names == before.class_names
    assert told(folder) == ()


LOUD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "other kinds": (
        lambda f: [
            write(f / "train" / name)
            for name in ("ant/1.gif", "ant/2.GIF", "bee/deep/1.jfif", "bee/3", "bee/a.\udcff")
        ],
        "train files of other kinds are passed over (2 .gif, 1 .jfif, 2 without an ending); read are " + READ,
    ),
    "in test": (
        lambda f: write(f / "test/cat/1.heic"),
        "test files of other kinds are passed over (1 .heic); read are " + READ,
    ),
    "of no class": (
        lambda f: [draw(f / "train/1.png", 200), write(f / "train/2.gif")],
        "train files in no folder of a class are passed over (2)",
    ),
    "another split": (
        lambda f: shutil.copytree(f / "test", f / "valid"),
        "the folder 'valid' has folders of classes and is passed over; " + RENAME,
    ),
    "a misspelt split": (
        lambda f: (f / "Tset").mkdir(),
        "the folder 'Tset' looks like a split and is passed over; " + RENAME,
    ),
    "another word for a split": (
        lambda f: (f / "validation").mkdir(),
        "the folder 'validation' looks like a split and is passed over; " + RENAME,
    ),
    "twelve bits in sixteen": (
        lambda f: [
            Image.fromarray(np.full((12, 12), 4000, np.uint16)).save(f / "train/ant" / name)
            for name in ("0.png", "1.png")
        ],
        "2 images of 16 bits are nearly black: none of their values reaches a sixteenth of "
        "Images.white_level = 65535; bind the highest they can have (4095: 12 bits)",
    ),
}


@pytest.mark.parametrize("kind", LOUD)
def test_what_was_left_out_is_one_line(folder: Path, kind: str) -> None:
    spoil, line = LOUD[kind]
    spoil(folder)
    assert told(folder) == (line,)


@pytest.mark.parametrize("cached", [False, True])
def test_what_is_passed_over_is_counted_by_kind(folder: Path, tmp_path: Path, cached: bool) -> None:
    for name in ("1.gif", "2.gif", "a.txt", ".b.png", "@eaDir/1.png", "__MACOSX/1.png", "@eaDir/2.png"):
        write(folder / "train/ant" / name)
    write(folder / "train/1.png")
    write(folder / "test/.DS_Store")
    shutil.copytree(folder / "test", folder / "valid")
    Image.new("LA", (12, 12)).save(folder / "test/bee/0.png")
    expected = {
        "passed over": {
            **{".gif": 2, ".txt": 1, "hidden": 2, "@eaDir": 1, "__MACOSX": 1},
            **{OF_NO_CLASS: 1, LIKE_A_SPLIT: 1},
        },
        "kinds": {GREY_IMAGE: 1, TRANSPARENT: 1},
    }
    for _ in range(2):
        dataset = Images(path=str(folder), size=12)
        assert dataset.found(Path()) == {}
        dataset.load(Path(), cache=tmp_path / "cache" if cached else None)
        assert dataset.found(Path()) == expected


def test_other_keys_of_an_npz(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    images, labels = np.arange(32, dtype=np.uint8).reshape(2, 4, 4), np.arange(2)
    held = {"train_images": images, "train_labels": labels, "test_images": images + 99, "test_labels": labels}
    np.savez(path, names=labels, **held)
    assert (Archive(path).told, Archive(path).passed_over) == ((), {"names": 1})
    np.savez(path, valid_images=images, val_labels=labels, **held)
    assert Archive(path).passed_over == {"val_labels": 1, "valid_images": 1}
    assert Archive(path).told == tuple(
        f"'{key}' is passed over; splits are train, val and test, each of images and labels"
        for key in ("val_labels", "valid_images")
    )
