from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torchvision import datasets as official

from lpa3bench.errors import DataError
from lpa3bench_plugins.datasets import stl10
from lpa3bench_plugins.datasets.stl10 import _BYTES, _SIDE, STL10


class Small(STL10):
    counts: ClassVar[dict[str, int]] = {"train": 3, "unlabeled": 5, "test": 2}


def write(root: Path) -> Path:
    """A small set; its images are counted through, pixel (row, column) of channel c is of value
    image + row + 2·column + 50·c."""
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    start = 0
    for part, count in Small.counts.items():
        image, channel, column, row = np.indices((count, 3, _SIDE, _SIDE))
        values = (start + image + row + 2 * column + 50 * channel) % 256
        (folder / f"{part}_X.bin").write_bytes(values.astype(np.uint8).tobytes())
        if part != "unlabeled":
            (folder / f"{part}_y.bin").write_bytes(bytes(10 - i for i in range(count)))
        start += count
    return folder


def test_files_become_tensors_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stl10, "_CHUNK", 2)
    write(tmp_path)
    splits = Small().load(tmp_path)
    assert list(splits) == ["train", "test"]
    train, test = splits["train"], splits["test"]
    assert train.labels.tolist() == [9, 8, 7, -1, -1, -1, -1, -1]
    assert test.labels.tolist() == [9, 8]
    assert train.labels.dtype == test.labels.dtype == torch.int64
    assert train.images.dtype == torch.uint8
    assert train.images.is_contiguous()
    image, channel, row, column = np.indices((10, 3, _SIDE, _SIDE))
    expected = torch.from_numpy(((image + row + 2 * column + 50 * channel) % 256).astype(np.uint8))
    assert torch.equal(train.images, expected[:8])
    assert torch.equal(test.images, expected[8:])


def test_presence_is_told_by_names_and_sizes(tmp_path: Path) -> None:
    folder = write(tmp_path)
    here = Small().present(tmp_path)
    assert (here.problem, here.splits) == (None, {"train": 8, "test": 2})
    assert here.size == sum(path.stat().st_size for path in folder.iterdir()) == 10 * _BYTES + 5
    (folder / "unlabeled_X.bin").write_bytes(b"123")
    assert "unlabeled_X.bin is damaged (it has 3 bytes" in str(Small().present(tmp_path).problem)
    assert "is not in" in str(Small().present(tmp_path / "elsewhere").problem)


def test_as_torchvision_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.setattr(official.STL10, "_check_integrity", lambda self: True)
    theirs = official.STL10(str(tmp_path), split="train+unlabeled")
    ours = Small().load(tmp_path)["train"]
    assert np.array_equal(ours.images.numpy(), theirs.data)
    assert theirs.labels is not None
    # torchvision joins its labels as unsigned bytes, of which −1 is none.
    assert ours.labels[:3].tolist() == theirs.labels[:3].tolist()


def test_what_everybody_may_know() -> None:
    spec = STL10().spec
    assert (spec.name, spec.num_classes, spec.channels, spec.size, spec.unlabelled) == (
        "STL10",
        10,
        3,
        96,
        True,
    )
    assert spec.mean == (0.4408, 0.4279, 0.3867)
    assert spec.std == (0.2682, 0.2610, 0.2686)
    assert (spec.weak.flip, spec.weak.pad, spec.weak.mode, spec.weak.crop) == (True, 12, "reflect", None)
    assert STL10.train_images == STL10.counts["train"] + STL10.counts["unlabeled"]
    with pytest.raises(ValueError, match=r"^mean: needs one number per channel, 3 in all"):
        STL10(mean=(0.5,))


@pytest.mark.parametrize(
    "file", ["train_X.bin", "train_y.bin", "unlabeled_X.bin", "test_X.bin", "test_y.bin"]
)
def test_missing_and_truncated_files_are_named(tmp_path: Path, file: str) -> None:
    path = write(tmp_path) / file
    whole = path.read_bytes()
    command = f"lpa3bench data get STL10 --data {tmp_path}"
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError) as caught:
        Small().load(tmp_path)
    assert str(caught.value) == (
        f"STL10: {path} is damaged (it has {len(whole) - 1:,} bytes, not {len(whole):,}); "
        f"delete it and get it again: {command}"
    )
    path.unlink()
    with pytest.raises(DataError) as caught:
        Small().load(tmp_path)
    assert str(caught.value) == f"STL10: stl10_binary/{file} is not in {tmp_path}; get it with: {command}"


@pytest.mark.parametrize("label", [0, 11])
def test_labels_that_are_none(tmp_path: Path, label: int) -> None:
    path = write(tmp_path) / "test_y.bin"
    path.write_bytes(bytes([1, label]))
    with pytest.raises(DataError, match=r"its labels are not numbers from 1 to 10"):
        Small().load(tmp_path)


def test_verify_compares_with_the_official_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path)
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    with pytest.raises(DataError, match=re.escape(f"MD5 {sums['train_X.bin']}, not 918c2871b30a85fa0")):
        Small().verify(tmp_path)
    assert dict([*official.STL10.train_list, *official.STL10.test_list]) == STL10.checksums
    assert str(Small().unofficial(tmp_path)).startswith("train_X.bin, train_y.bin, ")
    monkeypatch.setattr(Small, "checksums", {file: sums[file] for file in STL10.checksums})
    assert Small().verify(tmp_path) == {"train": 8, "test": 2}
    assert Small().unofficial(tmp_path) is None
    (folder / "unlabeled_X.bin").unlink()
    with pytest.raises(DataError, match=r"unlabeled_X\.bin is not in"):
        Small().verify(tmp_path)


def test_a_download_is_torchvisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def no_network(self: Any) -> None:
        asked.append(str(self.root))
        raise OSError("no network")

    monkeypatch.setattr(official.STL10, "download", no_network)
    with pytest.raises(DataError, match=r"STL10: the download into .* failed \(no network\)"):
        STL10().download(tmp_path / "new")
    assert asked == [str(tmp_path / "new")]


def test_no_byte_is_held_twice(tmp_path: Path) -> None:
    """The images are a whole number of bytes in one allocation, not a view of something larger."""
    write(tmp_path)
    images = Small().load(tmp_path)["train"].images
    assert images.untyped_storage().nbytes() == 8 * _BYTES


def test_the_real_set(real: Callable[..., Path]) -> None:
    root = real("stl10_binary")
    assert STL10().verify(root) == {"train": 105_000, "test": 8000}
    splits = STL10().load(root)
    assert splits["train"].labels[:5000].bincount().tolist() == [500] * 10
    assert splits["test"].labels.bincount().tolist() == [800] * 10
