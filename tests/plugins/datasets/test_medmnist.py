from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lpa3bench.api import Dataset
from lpa3bench.errors import DataError
from lpa3bench_plugins.datasets import medmnist
from lpa3bench_plugins.plugin import _MEDMNIST

HERE = [name for name in _MEDMNIST if name != "ChestMNIST"]
COUNTS = {"train": 5, "val": 3, "test": 4}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """BreastMNIST (grey) and RetinaMNIST (colour) with twelve images each."""
    official = medmnist.catalogue()
    table = {name: {**official[name], "n_samples": COUNTS} for name in ("breastmnist", "retinamnist")}
    monkeypatch.setattr(medmnist, "catalogue", lambda: table)
    return table


def arrays(channels: int, size: int = 28) -> dict[str, Any]:
    """What a file holds: pixel (r, c) of channel k of image i is i + r + 10·k, its label i mod 2."""
    held = {}
    for split, count in COUNTS.items():
        i, r, _, k = np.indices((count, size, size, channels))
        images = (i + r + 10 * k).astype(np.uint8)
        held[f"{split}_images"] = images if channels == 3 else images[..., 0]
        held[f"{split}_labels"] = (np.arange(count) % 2)[:, None].astype(np.uint8)
    return held


def save(path: Path, **held: Any) -> Path:
    np.savez(path, **held)
    return path


@pytest.mark.parametrize("name", HERE)
def test_every_set_knows_itself(name: str) -> None:
    """Against the class names and tasks of the catalogue, not against our own code."""
    dataset: Dataset = getattr(medmnist, name)()
    info = medmnist.catalogue()[name.lower()]
    spec = dataset.spec
    assert info["python_class"] == spec.name == name
    assert spec.num_classes == len(info["label"])
    assert {str(label): name for label, name in enumerate(spec.class_names)} == info["label"]
    assert spec.label_kind == info["task"]
    assert (spec.channels, spec.size, spec.mean, spec.std) == (3, 28, (0.5,) * 3, (0.5,) * 3)
    assert (spec.weak.flip, spec.weak.pad) == (False, 0)


def test_no_single_label_set_is_left_out() -> None:
    flat = {v["python_class"] for k, v in medmnist.catalogue().items() if not k.endswith("3d")}
    assert flat == set(_MEDMNIST)
    kinds = {getattr(medmnist, name)().spec.label_kind for name in HERE}
    assert kinds == {"multi-class", "binary-class", "ordinal-regression"}


def test_the_multi_label_set_says_why_it_is_not_here() -> None:
    with pytest.raises(ValueError, match="ChestMNIST is multi-label"):
        medmnist.ChestMNIST()


def test_presence_is_told_without_unpacking(tmp_path: Path, small: dict[str, Any]) -> None:
    dataset = medmnist.BreastMNIST()
    assert "breastmnist.npz is not in" in str(dataset.present(tmp_path).problem)
    path = save(tmp_path / "breastmnist.npz", **arrays(1))
    here = dataset.present(tmp_path)
    assert (here.problem, here.splits, here.size) == (None, COUNTS, path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-100])
    assert f"{path} is damaged (it is no whole .npz file)" in str(dataset.present(tmp_path).problem)


@pytest.mark.parametrize("as_rgb", [True, False])
def test_grey_images(tmp_path: Path, small: dict[str, Any], as_rgb: bool) -> None:
    save(tmp_path / "breastmnist.npz", **arrays(1))
    dataset = medmnist.BreastMNIST(as_rgb=as_rgb)
    splits = dataset.load(tmp_path)
    assert {name: len(split.labels) for name, split in splits.items()} == COUNTS
    train = splits["train"]
    assert train.images.shape == (5, 3 if as_rgb else 1, 28, 28)
    assert dataset.spec.channels == len(dataset.spec.mean) == train.images.shape[1]
    assert train.images.dtype == torch.uint8
    assert (train.images[4, :, 20] == 24).all()
    assert train.labels.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(("size", "file"), [(28, "retinamnist.npz"), (64, "retinamnist_64.npz")])
def test_colour_images_of_every_size(tmp_path: Path, small: dict[str, Any], size: Any, file: str) -> None:
    save(tmp_path / file, **arrays(3, size))
    dataset = medmnist.RetinaMNIST(size=size)
    assert dataset.spec.size == size
    assert dataset.load(tmp_path)["test"].images[3, :, 5, 9].tolist() == [8, 18, 28]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        medmnist.BloodMNIST(size=128).load(tmp_path)
    assert str(caught.value) == (
        f"BloodMNIST: bloodmnist_128.npz is not in {tmp_path}; "
        f"get it with: lpa3bench data get BloodMNIST -p BloodMNIST.size=128 --data {tmp_path}"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train_images": np.zeros((6, 28, 28), np.uint8)},
            "train_images is uint8 (6, 28, 28), not uint8 (5,",
        ),
        ({"val_images": np.zeros((3, 28, 28), np.float32)}, "val_images is float32"),
        ({"val_labels": np.zeros((3, 2), np.uint8)}, "val_labels is not 3 classes"),
        ({"test_labels": np.full((4, 1), 2, np.uint8)}, "test_labels is not 4 classes"),
        ({"test_labels": np.full((4, 1), None)}, "it holds Python objects"),
    ],
)
def test_a_file_of_something_else(
    tmp_path: Path, small: dict[str, Any], changed: dict[str, Any], message: str
) -> None:
    path = save(tmp_path / "breastmnist.npz", **{**arrays(1), **changed})
    with pytest.raises(DataError, match=re.escape(f"BreastMNIST: {path} is damaged (")) as caught:
        medmnist.BreastMNIST().load(tmp_path)
    assert message in str(caught.value)


def test_torn_and_incomplete_files(tmp_path: Path, small: dict[str, Any]) -> None:
    held = arrays(1)
    path = save(tmp_path / "breastmnist.npz", **held)
    whole = path.read_bytes()
    for content in (whole[:1000], b"", whole[:500] + b"x" + whole[501:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="is damaged"):
            medmnist.BreastMNIST().load(tmp_path)
    held.pop("val_labels")
    save(path, **held)
    with pytest.raises(DataError, match=r"is damaged .*val_labels"):
        medmnist.BreastMNIST().load(tmp_path)


def test_verify_compares_with_the_official_checksum(tmp_path: Path, small: dict[str, Any]) -> None:
    path = save(tmp_path / "breastmnist.npz", **arrays(1))
    found = hashlib.md5(path.read_bytes()).hexdigest()
    with pytest.raises(DataError, match=f"MD5 {found}, not 750601b1f35ba3300ea97c75c52ff8f6"):
        medmnist.BreastMNIST().verify(tmp_path)
    assert medmnist.BreastMNIST().unofficial(tmp_path) == "breastmnist.npz: another MD5"
    small["breastmnist"]["MD5"] = found
    assert medmnist.BreastMNIST().unofficial(tmp_path) is None
    assert medmnist.BreastMNIST().verify(tmp_path) == COUNTS


def test_a_download_asks_for_the_official_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def download_url(url: str, root: str, filename: str, md5: str) -> None:
        asked.update(url=url, root=root, filename=filename, md5=md5)

    monkeypatch.setattr("torchvision.datasets.utils.download_url", download_url)
    medmnist.BreastMNIST(size=64).download(tmp_path)
    info = medmnist.catalogue()["breastmnist"]
    assert asked == {
        "url": info["url_64"],
        "root": str(tmp_path),
        "filename": "breastmnist_64.npz",
        "md5": info["MD5_64"],
    }


@pytest.mark.parametrize("size", [0, 32])
def test_sizes(size: Any) -> None:
    with pytest.raises(ValueError, match=r"^size: must be 28, 64, 128 or 224"):
        medmnist.PathMNIST(size=size)


@pytest.mark.parametrize("dataset", [medmnist.BreastMNIST, medmnist.RetinaMNIST])
def test_the_real_set(real: Callable[..., Path], dataset: type[medmnist.MedMNIST]) -> None:
    root = real(f"{dataset.__name__.lower()}.npz")
    assert dataset().verify(root) == medmnist.catalogue()[dataset.__name__.lower()]["n_samples"]
    splits = dataset().load(root).values()
    assert {label for split in splits for label in split.labels.tolist()} == set(
        range(dataset().spec.num_classes)
    )
