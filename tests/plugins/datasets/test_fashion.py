from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torchvision import datasets as official

from lpa3bench.errors import DataError
from lpa3bench_plugins.datasets import fashion
from lpa3bench_plugins.datasets.fashion import FashionMNIST

COUNTS = {"train": 4, "t10k": 3}


def contents() -> dict[str, bytes]:
    """The four files of a small set; pixel (r, c) of image i is i + r + c, and its label is i."""
    files = {}
    for prefix, count in COUNTS.items():
        images = np.add.outer(np.arange(count), np.add.outer(np.arange(28), np.arange(28))).astype(np.uint8)
        sizes = b"".join(n.to_bytes(4, "big") for n in (count, 28, 28))
        files[f"{prefix}-images-idx3-ubyte"] = b"\0\0\x08\x03" + sizes + images.tobytes()
        files[f"{prefix}-labels-idx1-ubyte"] = b"\0\0\x08\x01" + sizes[:4] + bytes(range(count))
    return files


class Small(FashionMNIST):
    files: ClassVar[dict[str, tuple[str, int]]] = {"train": ("train", 4), "test": ("t10k", 3)}
    checksums: ClassVar[dict[str, str]] = {
        name: hashlib.md5(content).hexdigest() for name, content in contents().items()
    }


def write(folder: Path, *, packed: bool) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents().items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", ["FashionMNIST/raw", "."])
def test_it_is_found_where_it_may_lie(tmp_path: Path, below: str, packed: bool) -> None:
    write(tmp_path / below, packed=packed)
    assert Small().verify(tmp_path) == {"train": 4, "test": 3}
    train = Small().load(tmp_path)["train"]
    assert train.images.dtype == torch.uint8
    assert train.images.shape == (4, 1, 28, 28)
    assert train.images[3, 0, 5, 20] == 28
    assert train.labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("packed", [False, True])
def test_presence_is_told_by_names_and_sizes(tmp_path: Path, packed: bool) -> None:
    folder = write(tmp_path / "FashionMNIST" / "raw", packed=packed)
    here = Small().present(tmp_path)
    assert (here.problem, here.splits) == (None, {"train": 4, "test": 3})
    assert here.size == sum(path.stat().st_size for path in folder.iterdir())
    file = next(folder.glob("t10k-images*"))
    file.write_bytes(b"")
    assert f"{file} is damaged (it has 0 bytes" in str(Small().present(tmp_path).problem)
    file.unlink()
    assert "t10k-images-idx3-ubyte is not in" in str(Small().present(tmp_path).problem)


def test_class_names_are_torchvisions() -> None:
    assert list(FashionMNIST().spec.class_names) == official.FashionMNIST.classes


def test_it_reads_what_torchvision_reads(tmp_path: Path) -> None:
    write(tmp_path / "FashionMNIST" / "raw", packed=False)
    theirs = official.FashionMNIST(str(tmp_path), train=False, download=False)
    ours = Small().load(tmp_path)["test"]
    assert torch.equal(ours.images[:, 0], theirs.data)
    assert torch.equal(ours.labels, theirs.targets)


def test_a_missing_file(tmp_path: Path) -> None:
    (write(tmp_path, packed=True) / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError) as caught:
        Small().load(tmp_path)
    assert str(caught.value) == (
        f"FashionMNIST: FashionMNIST/raw/t10k-labels-idx1-ubyte is not in {tmp_path}; "
        f"get it with: lpa3bench data get FashionMNIST --data {tmp_path}"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train-images-idx3-ubyte", contents()["train-images-idx3-ubyte"][:-1]),
        ("train-images-idx3-ubyte", contents()["t10k-images-idx3-ubyte"]),
        ("train-labels-idx1-ubyte", contents()["train-images-idx3-ubyte"]),
        ("train-labels-idx1-ubyte", b""),
        ("train-images-idx3-ubyte.gz", gzip.compress(contents()["train-images-idx3-ubyte"])[:-9]),
        ("train-images-idx3-ubyte.gz", b"<html>no such page</html>"),
    ],
)
def test_a_damaged_file(tmp_path: Path, name: str, content: bytes) -> None:
    path = write(tmp_path, packed=name.endswith(".gz")) / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(f"FashionMNIST: {path} is damaged (")):
        Small().load(tmp_path)


def test_verify_sees_one_wrong_byte(tmp_path: Path) -> None:
    path = write(tmp_path, packed=False) / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    Small().load(tmp_path)
    with pytest.raises(DataError, match=re.escape(f"{path} is damaged (its contents' MD5 is ")):
        Small().verify(tmp_path)
    assert Small().unofficial(tmp_path) == "t10k-images-idx3-ubyte: contents of another MD5"


def test_what_unpacks_to_very_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion, "_LONGEST", 4000)
    write(tmp_path, packed=True)
    Small().load(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(bytes(10**6)))
    with pytest.raises(DataError, match=re.escape(f"{path} is damaged (it holds more than 4,000 bytes)")):
        Small().load(tmp_path)


def test_the_real_set(real: Callable[..., Path]) -> None:
    root = real("FashionMNIST", "train-images-idx3-ubyte.gz", "train-images-idx3-ubyte")
    assert FashionMNIST().verify(root) == {"train": 60_000, "test": 10_000}
    train = FashionMNIST().load(root)["train"]
    pixels = train.images.double() / 255
    assert train.labels.bincount().tolist() == [6000] * 10
    assert (float(pixels.mean()),) == pytest.approx(FashionMNIST().spec.mean, abs=1e-4)
    assert (float(pixels.std()),) == pytest.approx(FashionMNIST().spec.std, abs=1e-4)
