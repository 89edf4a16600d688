from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lpa3bench.data.splits import data_hash
from lpa3bench_plugins.datasets.digits import Digits


def test_the_split_is_fixed_stratified_and_complete() -> None:
    splits = Digits().load(Path("nowhere"))
    assert {name: len(split.labels) for name, split in splits.items()} == {
        "train": 901,
        "val": 179,
        "test": 717,
    }
    counts = torch.stack([split.labels.bincount(minlength=10) for split in splits.values()])
    shares = counts / counts.sum(0)
    assert (shares - torch.tensor([0.5, 0.1, 0.4])[:, None]).abs().max() < 0.01


def test_its_hash_is_that_of_the_shipped_records() -> None:
    known = "ab2213eee9cbff9d1e361314b3a8da707cf583ffac31d4ca6942062c31e436b2"
    assert data_hash(Digits().load(Path("nowhere"))) == known


def test_no_image_is_in_two_splits() -> None:
    splits = Digits().load(Path("nowhere"))
    images = [image.numpy().tobytes() for split in splits.values() for image in split.images]
    assert len(images) == 1797
    assert len(set(images)) == len(images)  # scikit-learn's digits have no duplicates


def test_ink_becomes_bytes() -> None:
    split = Digits().load(Path("nowhere"))["train"]
    assert split.images.dtype == torch.uint8
    assert split.images.shape[1:] == (1, 8, 8)
    assert split.images.unique().tolist() == [round(ink * 255 / 16) for ink in range(17)]
    assert split.images[0, 0, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]  # 0 0 5 13 9 1 0 0, a zero
    assert split.labels[0] == 0


def test_the_spec_agrees_with_the_images() -> None:
    spec = Digits().spec
    pixels = Digits().load(Path("nowhere"))["train"].images.double() / 255
    assert spec.mean == (pytest.approx(float(pixels.mean()), abs=1e-4),)
    assert spec.std == (pytest.approx(float(pixels.std()), abs=1e-4),)
    assert not spec.weak.flip


def test_nothing_to_get(tmp_path: Path) -> None:
    Digits().download(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert Digits().verify(tmp_path / "new") == {"train": 901, "val": 179, "test": 717}
    assert Digits().present(tmp_path / "new").splits == {"train": 901, "val": 179, "test": 717}
