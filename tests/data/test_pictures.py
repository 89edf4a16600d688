"""Many images at once: where they are found, and what they are called."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.pictures import draw

from lpa3bench.data.pictures import as_picture, decode, find_pictures
from lpa3bench.data.pixels import Decoder, Picture
from lpa3bench.errors import DataError

EIGHT = Decoder(size=8, channels=1)


def decoded(pictures: list[Picture]) -> Any:
    return np.concatenate([*decode(pictures, EIGHT, Counter(), of="new")])


def test_a_folder_gives_all_images_below_it_by_their_paths(tmp_path: Path) -> None:
    for name in ("b.png", "a/2.PNG", "a/deep/1.jpg", ".hidden/3.png", "@eaDir/b.png/4.png", "a/._2.png"):
        draw(tmp_path / name, 60)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "a/link.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "round").symlink_to(tmp_path)
    assert [p.name for p in find_pictures(tmp_path)] == ["a/2.PNG", "a/deep/1.jpg", "a/link.png", "b.png"]
    assert decoded(find_pictures(tmp_path)).shape == (4, 1, 8, 8)
    assert [p.name for p in find_pictures(tmp_path / "a/2.PNG")] == ["2.PNG"]


def test_an_archive_gives_those_of_its_splits(tmp_path: Path) -> None:
    grey = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8)
    deep = np.full((1, 8, 8, 3), 65535, np.uint16)
    path = tmp_path / "some.npz"
    np.savez(path, images=grey, test_images=deep, test_labels=np.zeros(1), masks=grey)
    found = find_pictures(path)
    assert [p.name for p in found] == ["images[0]", "images[1]", "test_images[0]"]
    assert np.array_equal(decoded(found)[:2, 0], grey)
    assert decoded(found)[2].min() == 255


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        (
            {"masks": np.zeros((1, 8, 8), np.uint8)},
            "holds no images; its keys must be images, or <split>_images",
        ),
        ({"images": np.zeros((1, 8, 8))}, "images is float64"),
        ({"images": np.zeros((1, 0, 8), np.uint8)}, "images is of shape"),
        (None, "is no .npz file of images"),
    ],
)
def test_an_archive_without_images_is_named(tmp_path: Path, arrays: dict[str, Any] | None, says: str) -> None:
    path = tmp_path / "some.npz"
    path.write_bytes(b"nothing") if arrays is None else np.savez(path, **arrays)
    with pytest.raises(DataError, match=r"some\.npz: ") as refused:
        find_pictures(path)
    assert says in str(refused.value)


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no image in it"):
        find_pictures(tmp_path)


def test_all_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    draw(tmp_path / "a/1.png", 60)
    (tmp_path / "a/2.png").write_bytes(b"nothing")
    os.mkfifo(tmp_path / "a/3.png")
    with pytest.raises(
        DataError, match=r"^new: 2 images in a cannot be read; .*2\.png .*3\.png \(it is no file"
    ):
        decoded(find_pictures(tmp_path))
    with pytest.raises(DataError, match=r"^new: 2 images cannot be read"):
        decoded([as_picture("b.png", ""), as_picture(tmp_path / "a/2.png", "")])


def test_an_image_may_come_in_any_form(tmp_path: Path) -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    file, held = tmp_path / "x.png", Image.fromarray(pixels)
    held.save(file)
    forms = [as_picture(image, "it") for image in (file, str(file), held, pixels, pixels[..., None])]
    assert [p.name for p in forms] == [str(file)] * 2 + ["it"] * 3
    found = decoded([*forms, as_picture(pixels.astype(np.uint16) * 257, "it")])
    assert all(np.array_equal(image[0], pixels) for image in found)
    assert np.asarray(held).tolist() == pixels.tolist(), "it is still open"
    with pytest.raises(ValueError, match=r"it is float64 \[8, 8\], not a path, an image of Pillow, or uint8"):
        as_picture(pixels / 255, "it")
    with pytest.raises(ValueError, match=r"it is uint8 \[3, 8, 8\], not"):
        as_picture(np.zeros((3, 8, 8), np.uint8), "it")
