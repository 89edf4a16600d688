from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.pictures import CLASSES, COUNTS, draw, made_folder

from lpa3bench import testing
from lpa3bench.errors import DataError, error_line
from lpa3bench_plugins.datasets import decoding
from lpa3bench_plugins.datasets.decoding import statistics
from lpa3bench_plugins.datasets.images import Images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made_folder(tmp_path)


def arrays(**changed: Any) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    held = {
        f"{split}_{what}": generator.integers(0, 256, (3 * count, 12, 12, 3), np.uint8)
        if what == "images"
        else (np.arange(3 * count) % 3)[:, None].astype(np.uint8)
        for split, count in COUNTS.items()
        for what in ("images", "labels")
    }
    return {key: array for key, array in (held | changed).items() if array is not None}


def fails(path: Path, message: str) -> None:
    """Loading it is one line, with that in it."""
    dataset = Images(path=str(path), size=8)
    assert dataset.spec.num_classes >= 2  # does not raise: a config can be checked without the images
    with pytest.raises(DataError, match=message) as caught:
        dataset.load(Path())
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("Images")


# ------------------------------------------------------------------------------------------- what is read
def test_a_folder_of_class_folders(folder: Path) -> None:
    dataset = Images(path=str(folder), size=12)
    splits = dataset.load(Path())
    assert list(splits) == ["train", "val", "test"]
    assert {name: split.labels.tolist() for name, split in splits.items()} == {
        "train": [0, 0, 0, 1, 1, 1, 2, 2, 2],
        "val": [0, 1, 2],
        "test": [0, 0, 1, 1, 2, 2],
    }
    assert dataset.verify(Path()) == {"train": 9, "val": 3, "test": 6}
    for name, split in splits.items():
        files = sorted((folder / name).rglob("*.png"))
        assert len(split.images) == len(files)
        for image, file in zip(split.images, files, strict=True):
            assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(Image.open(file)))
    testing.check_dataset(dataset, folder)


def test_classes_and_images_are_called_what_their_folders_and_files_are(folder: Path) -> None:
    dataset = Images(path=str(folder), size=12)
    assert dataset.spec.class_names == tuple(sorted(CLASSES)), "known at a glance"
    splits = dataset.load(Path())
    assert dataset.spec.class_names == tuple(sorted(CLASSES))
    for name, split in splits.items():
        assert split.ids is not None
        assert [name.split("/")[1] for name in split.ids] == [
            dataset.spec.class_names[label] for label in split.labels
        ]
        assert all((folder / place).is_file() and place.startswith(f"{name}/") for place in split.ids)


def test_presence_is_told_without_decoding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)
    here = Images(path=str(folder), size=8).present(Path())
    assert (here.problem, here.splits) == (None, {"train": 9, "val": 3, "test": 6})
    shutil.rmtree(folder / "test")
    assert "there is no folder test" in str(Images(path=str(folder), size=8).present(Path()).problem)


def test_the_validation_split_may_be_left_out(folder: Path) -> None:
    shutil.rmtree(folder / "val")
    assert list(Images(path=str(folder), size=8).load(Path())) == ["train", "test"]


def test_the_order_is_torchvisions(folder: Path) -> None:
    from torchvision.datasets import ImageFolder

    for name in ("B.png", "a.png", "10.png"):
        draw(folder / "train" / "bee" / name, 99)
    theirs = ImageFolder(str(folder / "train"))
    ours = Images(path=str(folder), size=12).load(Path())["train"]
    assert ours.labels.tolist() == theirs.targets
    for image, (their_image, _) in zip(ours.images, theirs, strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(their_image))


def test_what_is_passed_over(folder: Path) -> None:
    for name in (".hidden.png", "notes.txt", ".DS_Store"):
        (folder / "train" / "ant" / name).write_text("no image")
    (folder / "train" / ".cache").mkdir()
    (folder / "train" / "ant" / ".thumbnails").mkdir()
    (folder / "train" / "ant" / ".thumbnails" / "1.png").write_text("no image")
    (folder / "train" / "list.csv").write_text("no image")
    draw(folder / "train" / "ant" / "deeper" / "9.PNG", 50)
    assert Images(path=str(folder), size=8).verify(Path()) == {"train": 10, "val": 3, "test": 6}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_an_npz(tmp_path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    """Of 16 bits, every value is 257 times as high."""
    held = arrays()
    for split in COUNTS:
        pixels = held[f"{split}_images"].astype(dtype)
        held[f"{split}_images"] = (
            pixels if shape == (3,) else pixels[..., 0].reshape(*pixels.shape[:3], *shape)
        )
    deep = {key: array * np.uint16(257) for key, array in held.items() if array.dtype == np.uint16}
    np.savez(tmp_path / "mine.npz", **held | deep)
    dataset = Images(path=str(tmp_path / "mine.npz"), size=12)
    splits = dataset.load(Path())
    assert list(splits) == ["train", "val", "test"]
    for name, split in splits.items():
        assert split.labels.tolist() == held[f"{name}_labels"][:, 0].tolist()
        pixels = held[f"{name}_images"].reshape(*held[f"{name}_images"].shape[:3], -1)
        assert np.array_equal(
            split.images.numpy(), np.broadcast_to(pixels.transpose(0, 3, 1, 2), split.images.shape)
        )
    assert dataset.spec.num_classes == 3


def test_the_path_is_relative_to_where_the_command_starts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(folder.parent)
    assert Images(path="mine", size=8).verify(tmp_path / "data") == {"train": 9, "val": 3, "test": 6}


# ------------------------------------------------------------------------------------------ how it is read
def test_what_is_measured(folder: Path) -> None:
    dataset = Images(path=str(folder), size=12)
    assert (dataset.spec.mean, dataset.spec.std) == ((0.5,) * 3, (0.5,) * 3)
    train = dataset.load(Path())["train"].images.double() / 255
    assert dataset.spec.mean == pytest.approx(train.mean((0, 2, 3)).tolist(), rel=1e-12)
    assert dataset.spec.std == pytest.approx(train.std((0, 2, 3), correction=0).tolist(), rel=1e-12)


def test_what_is_bound_is_not_measured(folder: Path) -> None:
    dataset = Images(path=str(folder), size=12, channels=1, mean=(0.25,))
    assert dataset.load(Path())["test"].images.shape == (6, 1, 12, 12)
    assert dataset.spec.mean == (0.25,)
    assert dataset.spec.std != (0.5,)


def test_statistics_of_a_constant_channel() -> None:
    pixels = torch.zeros((2, 2, 4, 4), dtype=torch.uint8)
    pixels[0, 1] = 255
    assert statistics(pixels) == ((0.0, 0.5), (1.0, 0.5))


def test_what_everybody_may_know(folder: Path) -> None:
    spec = Images(path=str(folder), size=40).spec
    assert (spec.name, spec.num_classes, spec.channels, spec.size) == ("Images", 3, 3, 40)
    assert (spec.weak.flip, spec.weak.pad, spec.weak.mode) == (True, 5, "reflect")
    assert Images(path="nowhere", size=8).spec.num_classes == 2


# ------------------------------------------------------------------------------------------- what is wrong
@pytest.mark.parametrize("content", ["torn", "empty", "text"])
@pytest.mark.parametrize("split", COUNTS)
def test_an_image_that_cannot_be_read_is_named(folder: Path, split: str, content: str) -> None:
    path = draw(folder / split / "bee" / "0.png", 90)
    whole = path.read_bytes()
    path.write_bytes({"torn": whole[: len(whole) // 2], "empty": b"", "text": b"no image"}[content])
    fails(folder, f"Images: {path} cannot be read \\(.*\\); mend it or remove it")


def test_a_torn_jpeg(folder: Path) -> None:
    path = draw(folder / "train" / "ant" / "0.jpg", 90, (60, 60))
    path.write_bytes(path.read_bytes()[:-400])
    fails(folder, r"0\.jpg cannot be read \(image file is truncated")


def test_all_that_cannot_be_read_are_named_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every split and chunk; what is no file and what is no image alike."""
    monkeypatch.setattr(decoding, "_CHUNK", 4)
    (folder / "train/bee/1.png").write_text("no image")
    (folder / "train/ant/9.png").symlink_to("gone")
    (folder / "test/cat/0.png").write_bytes((folder / "test/cat/0.png").read_bytes()[:200])
    message = (
        rf"^Images: 3 images in {folder} cannot be read; mend or remove them: train/ant/9\.png \(.*\), "
        r"train/bee/1\.png \(cannot identify image file\), test/cat/0\.png \(.*truncated.*\)$"
    )
    fails(folder, message)


def test_of_many_that_cannot_be_read_some_are_named_and_all_counted(folder: Path) -> None:
    for place in range(30):
        (folder / f"train/bee/wrong{place:02}.png").write_text("no image")
    fails(
        folder, rf"^Images: 30 images in {folder}/train/bee .*: wrong00\.png .* wrong19\.png .*, and 10 more$"
    )
    with pytest.raises(DataError) as caught:
        Images(path=str(folder), size=8).load(Path())
    assert "wrong20" not in str(caught.value)
    assert "…" not in error_line(caught.value), "as the command line prints it"


def remove(folder: Path, name: str) -> None:
    shutil.rmtree(folder / name)


LAYOUTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nothing": (
        lambda f: remove(f, ""),
        r"Images\.path: there is no folder or \.npz file /.*/mine; bind your own, as by -p ",
    ),
    "no train": (
        lambda f: remove(f, "train"),
        r"mine: there is no folder train; there must be train/<class>/…",
    ),
    "misspelt train": (
        lambda f: (f / "train").rename(f / "Train"),
        r"mine: there is no folder train \(is it 'Train'\?\); there must",
    ),
    "no test": (lambda f: remove(f, "test"), r"mine: there is no folder test;"),
    "no class": (
        lambda f: [remove(f, f"train/{c}") for c in CLASSES],
        r"train: there must be two or more folders",
    ),
    "one class": (
        lambda f: [remove(f, f"train/{c}") for c in CLASSES[1:]],
        r"train: there must be two or more",
    ),
    "missing in test": (
        lambda f: remove(f, "test/bee"),
        r"class 'bee' is in train, but .* no folder test/bee",
    ),
    "missing in val": (lambda f: remove(f, "val/cat"), r"class 'cat' is in train, but .* no folder val/cat"),
    "more in test": (
        lambda f: (f / "test/dog").mkdir(),
        r"class 'dog' is in test, but .* no folder train/dog",
    ),
    "empty class": (
        lambda f: [file.unlink() for file in (f / "train/ant").iterdir()],
        r"train/ant: the class has no image \(\.jpg \.jpeg \.png",
    ),
    "broken link": (
        lambda f: (f / "train/ant/7.png").symlink_to("gone"),
        r"train/ant/7\.png cannot be read \(",
    ),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_folder_that_is_not_as_it_should_be(folder: Path, kind: str) -> None:
    spoil, message = LAYOUTS[kind]
    spoil(folder)
    fails(folder, message)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"test_images": None}, "there is no test_images"),
        ({"train_labels": None}, "there is no train_labels"),
        ({"val_labels": None}, "there is no val_labels"),
        ({"train_images": np.zeros((9, 12, 12))}, r"train_images is float64 \[9, 12, 12\], not uint8"),
        ({"train_images": np.zeros((9, 3, 12, 12), np.uint8)}, r"train_images is uint8 \[9, 3, 12, 12\]"),
        (
            {"test_images": np.zeros((5, 12, 12), np.uint8)},
            r"test_images is of shape \[5, 12, 12\] for 6 labels",
        ),
        ({"train_labels": np.zeros((9, 2), int)}, r"train_labels is int64 \[9, 2\], not one whole number"),
        ({"train_labels": np.zeros(9)}, r"train_labels is float64 \[9\]"),
        ({"train_labels": np.zeros(9, int)}, "train_labels has one class only"),
        ({"train_labels": np.arange(9) % 3 * 2}, "no training image has label 1"),
        ({"train_labels": np.arange(9) - 1}, "train_labels has -1; labels count from 0"),
        ({"test_labels": np.full(6, 3)}, "test_labels has 3, and no training image has that label"),
        ({"val_labels": np.zeros(0, int)}, "val_labels is empty"),
        ({"test_labels": np.array([{}] * 6)}, "is no whole .npz file .it holds Python objects"),
    ],
)
def test_an_npz_that_is_not_as_it_should_be(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "mine.npz", **arrays(**changed))
    fails(tmp_path / "mine.npz", message)


@pytest.mark.parametrize("content", ["torn", "empty", "text", "npy"])
def test_a_file_that_is_no_npz(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays())
    whole = path.read_bytes()
    np.save(tmp_path / "a.npy", np.zeros(3))
    made = {"torn": whole[:3000], "empty": b"", "text": b"no file", "npy": (tmp_path / "a.npy").read_bytes()}
    path.write_bytes(made[content])
    fails(path, r"mine\.npz: is no whole \.npz file \(")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 0}, r"^size: must be >= 1"),
        ({"channels": 2}, r"^channels: must be 1 or 3, not 2"),
        ({"mean": (0.5,)}, r"^mean: needs one number per channel, 3 in all"),
        ({"channels": 1, "std": (0.0,)}, r"^std: must be in \(0, 1\]"),
        ({"path": ""}, r"^path: must name"),
        ({"fit": "cover"}, r"^fit: must be 'crop', 'pad' or 'stretch', not 'cover'"),
        ({"white_level": 0}, r"^white_level: must be in \[1, 65535\], not 0"),
        ({"white_level": 65536}, r"^white_level: "),
    ],
)
def test_parameters(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Images(**({"path": "mine", "size": 8} | given))


def test_a_download_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Images\.path: there is no folder"):
        Images(path=str(tmp_path / "gone"), size=8).download(tmp_path)
