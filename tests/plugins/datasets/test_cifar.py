from __future__ import annotations

import hashlib
import pickle
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from support.harmful_pickles import Attack
from torchvision import datasets as official

from lpa3bench.errors import DataError
from lpa3bench_plugins.datasets.cifar import _BYTES, CIFAR10, CIFAR100, _Unpickler
from lpa3bench_plugins.labels.noise import CIFAR100_SUPERCLASS


class Small10(CIFAR10):
    """CIFAR-10 with seven images in all."""

    files: ClassVar[dict[str, dict[str, int]]] = {
        "train": {"data_batch_1": 3, "data_batch_2": 2},
        "test": {"test_batch": 2},
    }


class Small100(CIFAR100):
    files: ClassVar[dict[str, dict[str, int]]] = {"train": {"train": 4}, "test": {"test": 2}}


def content(dataset: type[CIFAR10] | type[CIFAR100], count: int, start: int = 0) -> dict[bytes, Any]:
    """What a file of that many images holds; image i is filled with start + i."""
    images = np.repeat(np.arange(start, start + count, dtype=np.uint8)[:, None], _BYTES, axis=1)
    return {
        b"data": images,
        dataset.label_key: [(start + i) % 10 for i in range(count)],
        b"batch_label": b"x",
    }


def write(root: Path, dataset: type[CIFAR10] | type[CIFAR100]) -> Path:
    """A small set in `root`; the folder of its files."""
    folder = root / dataset.folder
    folder.mkdir(parents=True)
    start = 0
    for files in dataset.files.values():
        for name, count in files.items():
            (folder / name).write_bytes(pickle.dumps(content(dataset, count, start)))
            start += count
    return folder


def test_class_names_are_in_the_order_of_the_labels() -> None:
    fine = CIFAR100().spec.class_names
    assert len(fine) == len(set(fine)) == 100
    assert list(fine) == sorted(fine), "the published order is that of the alphabet"
    trees = [name for name, group in zip(fine, CIFAR100_SUPERCLASS, strict=True) if group == 17]
    assert trees == ["maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"]
    coarse = CIFAR10().spec.class_names
    assert (len(coarse), coarse[0], coarse[3], coarse[9]) == (10, "airplane", "cat", "truck")


@pytest.mark.parametrize("dataset", [Small10, Small100])
def test_presence_is_told_by_names_and_sizes(
    tmp_path: Path, dataset: type[CIFAR10] | type[CIFAR100], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "load", None)
    absent = dataset().present(tmp_path)
    assert absent.splits is absent.size is None
    assert (absent.problem or "").startswith(f"{dataset.name}: {dataset.folder}/")
    folder = write(tmp_path, dataset)
    here = dataset().present(tmp_path)
    assert here.problem is None
    assert here.splits == {split: sum(files.values()) for split, files in dataset.files.items()}
    assert here.size == sum(path.stat().st_size for path in folder.iterdir())
    short = folder / next(iter(dataset.files["test"]))
    short.write_bytes(short.read_bytes()[:100])
    assert f"{short} is damaged (it has 100 bytes, and there must be 6,144)" in str(
        dataset().present(tmp_path).problem
    )


@pytest.mark.parametrize("dataset", [Small10, Small100])
def test_files_become_tensors_in_order(tmp_path: Path, dataset: type[CIFAR10] | type[CIFAR100]) -> None:
    write(tmp_path, dataset)
    splits = dataset().load(tmp_path)
    assert list(splits) == ["train", "test"]
    train, test = splits["train"], splits["test"]
    assert train.images.dtype == torch.uint8
    assert train.labels.dtype == torch.int64
    assert train.images.shape == (len(train.labels), 3, 32, 32)
    assert train.images[:, 2, 31, 0].tolist() == train.labels.tolist() == list(range(len(train.labels)))
    assert test.labels.tolist() == [len(train.labels), len(train.labels) + 1]


class Sixty(CIFAR10):
    """Sixty images for training, six of each class in turn."""

    files: ClassVar[dict[str, dict[str, int]]] = {
        "train": {"data_batch_1": 40, "data_batch_2": 20},
        "test": {"test_batch": 10},
    }


@pytest.mark.parametrize(
    ("train", "val", "places"),
    [
        (None, 0, {"train": range(60)}),
        (20, 0, {"train": range(20)}),
        (20, 30, {"train": range(20), "val": range(20, 50)}),
        (None, 10, {"train": range(50), "val": range(50, 60)}),
    ],
)
def test_a_part_is_the_same_for_everybody_and_has_as_many_of_each_class(
    tmp_path: Path, train: int | None, val: int, places: dict[str, range]
) -> None:
    write(tmp_path, Sixty)
    dataset = Sixty(train=train, val=val)
    splits = dataset.load(tmp_path)
    assert {name: split.images[:, 0, 0, 0].tolist() for name, split in splits.items()} == {
        **{name: [*found] for name, found in places.items()},
        "test": [*range(60, 70)],
    }
    counts = {name: len(split.labels) for name, split in splits.items()}
    assert {len({*split.labels.bincount().tolist()}) for split in splits.values()} == {1}
    assert dataset.present(tmp_path).splits == counts
    assert dataset.train_images == counts["train"]


def test_a_class_that_comes_early_leaves_the_others_their_share(tmp_path: Path) -> None:
    folder = write(tmp_path, Sixty)
    first = content(Sixty, 40) | {b"labels": sorted([i % 10 for i in range(40)])}
    (folder / "data_batch_1").write_bytes(pickle.dumps(first))
    train = Sixty(train=20).load(tmp_path)["train"]
    assert train.images[:, 0, 0, 0].tolist() == [place for i in range(0, 40, 4) for place in (i, i + 1)]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"train": 5}, "train: must be a multiple of the 10 classes, >= 1, not 5"),
        ({"train": 0}, "train: must be a multiple of the 10 classes, >= 1, not 0"),
        ({"val": -10}, "val: must be a multiple of the 10 classes, >= 0, not -10"),
        ({"train": 49_000, "val": 1_010}, "val: 1010 and 49000 training images are more than the 50000"),
        ({"val": 50_000}, "val: 50000 and 1 training images are more than the 50000"),
    ],
)
def test_a_part_that_cannot_be(parts: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        CIFAR10(**parts)


def test_pixels_lie_by_channel_row_and_column(tmp_path: Path) -> None:
    folder = write(tmp_path, Small10)
    batch = content(Small10, 2)
    batch[b"data"] = (np.arange(2 * _BYTES) % 251).astype(np.uint8).reshape(2, _BYTES)
    (folder / "test_batch").write_bytes(pickle.dumps(batch))
    image = Small10().load(tmp_path)["test"].images[1]
    assert image[2, 5, 7] == (_BYTES + 2 * 1024 + 5 * 32 + 7) % 251


def test_a_missing_file_is_named_with_folder_and_command(tmp_path: Path) -> None:
    folder = write(tmp_path, Small10)
    (folder / "data_batch_2").unlink()
    with pytest.raises(DataError) as caught:
        Small10().load(tmp_path)
    assert str(caught.value) == (
        f"CIFAR10: cifar-10-batches-py/data_batch_2 is not in {tmp_path}; "
        f"get it with: lpa3bench data get CIFAR10 --data {tmp_path}"
    )
    assert caught.value.exit_code == 4


def damage(batch: dict[bytes, Any], kind: str) -> bytes:
    data, labels = batch[b"data"], batch[b"labels"]
    changes: dict[str, dict[bytes, Any]] = {
        "count": content(Small10, 3),
        "width": {**batch, b"data": data[:, 1:]},
        "type": {**batch, b"data": data.astype(np.int64)},
        "list": {**batch, b"data": data.tolist()},
        "fewer labels": {**batch, b"labels": labels[1:]},
        "label": {**batch, b"labels": [0, 10]},
        "no labels": {b"data": data},
    }
    whole = pickle.dumps(changes.get(kind, batch))
    return {"torn": whole[: len(whole) // 2], "empty": b"", "junk": b"<html>no such page</html>"}.get(
        kind, whole
    )


@pytest.mark.parametrize(
    "kind",
    ["count", "width", "type", "list", "fewer labels", "label", "no labels", "torn", "empty", "junk"],
)
def test_a_damaged_file_is_named(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, Small10) / "test_batch"
    path.write_bytes(damage(content(Small10, 2), kind))
    with pytest.raises(DataError) as caught:
        Small10().load(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"CIFAR10: {path} is damaged (")
    assert message.endswith(f"); delete it and get it again: lpa3bench data get CIFAR10 --data {tmp_path}")
    assert "\n" not in message


def test_a_file_can_call_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, Small10) / "test_batch"
    harmful = pickle.dumps({**content(Small10, 2), b"filenames": Attack(tmp_path / "made")})
    path.write_bytes(harmful)
    with pytest.raises(DataError, match=r"it calls for posix\.mkdir, which has no business there"):
        Small10().load(tmp_path)
    assert not (tmp_path / "made").exists()
    pickle.loads(harmful)  # the file does do harm to who trusts it
    assert (tmp_path / "made").exists()


def test_a_file_that_says_that_it_holds_very_much_takes_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path, Small10) / "data_batch_2"
    for bomb in (b"]r\xff\xff\xff\x3f.", b"\x8e\xff\xff\xff\xff\x0f\0\0\0ab."):
        path.write_bytes(b"\x80\x04" + bomb)
        tracemalloc.start()
        with pytest.raises(DataError, match=f"{path} is damaged"):
            Small10().load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**22, bomb
        tracemalloc.stop()


def test_verify_compares_with_the_official_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path, Small10)
    (folder / "batches.meta").write_bytes(b"names")
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    with pytest.raises(DataError, match=re.escape(f"1 is damaged (MD5 {sums['data_batch_1']}, not c99")):
        Small10().verify(tmp_path)

    assert Small10().unofficial(tmp_path) == "data_batch_1, data_batch_2, test_batch: another MD5"
    monkeypatch.setattr(Small10, "checksums", sums)
    assert Small10().verify(tmp_path) == {"train": 5, "test": 2}
    assert Small10().unofficial(tmp_path) is None
    monkeypatch.setattr(Small10, "checksums", {**sums, "data_batch_2": "0", "batches.meta": "0"})
    assert Small10().unofficial(tmp_path) == "data_batch_2: another MD5", "classes' names are not trained on"
    monkeypatch.setattr(Small10, "checksums", sums)

    (folder / "batches.meta").unlink()
    with pytest.raises(DataError, match=r"batches\.meta is not in"):
        Small10().verify(tmp_path)


@pytest.mark.parametrize("dataset", [CIFAR10, CIFAR100])
def test_checksums_are_torchvisions(dataset: type[CIFAR10] | type[CIFAR100]) -> None:
    theirs = getattr(official, dataset.name)
    expected = dict([*theirs.train_list, *theirs.test_list])
    assert dataset.checksums == {**expected, theirs.meta["filename"]: theirs.meta["md5"]}
    assert dataset.checksums.keys() > {file for split in dataset.files.values() for file in split}


@pytest.mark.parametrize("labels", [[0.5, 1.0, 2.0], ["0", "1", "2"], [0, 1, 2**64 - 1]])
def test_labels_that_are_no_whole_numbers(tmp_path: Path, labels: list[Any]) -> None:
    path = write(tmp_path, Small10) / "data_batch_1"
    path.write_bytes(pickle.dumps(content(Small10, 3) | {b"labels": labels}))
    with pytest.raises(DataError, match=rf"{path} is damaged \(labels "):
        Small10().load(tmp_path)


def test_a_download_without_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: Any, **kwargs: Any) -> None:
        raise OSError("<urlopen error\n [Errno -2] Name or service not known>")

    monkeypatch.setattr(official.CIFAR10, "download", no_network)
    with pytest.raises(DataError) as caught:
        CIFAR10().download(tmp_path / "new")
    assert str(caught.value) == (
        f"CIFAR10: the download into {tmp_path}/new failed "
        "(<urlopen error [Errno -2] Name or service not known>); check network and disk, then try again"
    )


def test_normalisation_can_be_bound() -> None:
    spec = CIFAR100(mean=(0.507, 0.487, 0.441), std=(0.267, 0.256, 0.276)).spec
    assert spec.mean == (0.507, 0.487, 0.441)
    assert CIFAR100().spec.mean == (0.5071, 0.4867, 0.4408)
    with pytest.raises(ValueError, match=r"^mean: needs one number per channel, 3 in all"):
        CIFAR10(mean=(0.5,))
    with pytest.raises(ValueError, match=r"^std: must be in \(0, 1\]"):
        CIFAR10(std=(0.2, 0.0, 0.2))
    with pytest.raises(ValueError, match=r"^std: must be in .*, not \(63.0, 62.1, 66.7\); divide .* by 255$"):
        CIFAR10(std=(63.0, 62.1, 66.7))
    with pytest.raises(ValueError, match=r"^mean: must be in \[0, 1\], .* divide those of bytes by 255$"):
        CIFAR10(mean=(125.3, 123.0, 113.9))


@pytest.mark.parametrize(("dataset", "each"), [(CIFAR10, 5000), (CIFAR100, 500)])
def test_the_real_set(real: Callable[..., Path], dataset: type[CIFAR10] | type[CIFAR100], each: int) -> None:
    root = real(dataset.folder)
    assert dataset().verify(root) == {"train": 50_000, "test": 10_000}
    assert dataset().unofficial(root) is None
    train, test = dataset().load(root).values()
    assert train.labels.bincount().tolist() == [each] * len(dataset.class_names)
    assert test.labels.bincount().tolist() == [each // 5] * len(dataset.class_names)
    mean = train.images.double().mean((0, 2, 3)) / 255
    assert mean.tolist() == pytest.approx(dataset().spec.mean, abs=1e-3)


def test_the_superclasses_are_the_real_sets(real: Callable[..., Path]) -> None:
    with (real(CIFAR100.folder) / CIFAR100.folder / "test").open("rb") as file:
        batch = _Unpickler(file, encoding="bytes").load()
    pairs = set(zip(batch[b"fine_labels"], batch[b"coarse_labels"], strict=True))
    assert pairs == set(enumerate(CIFAR100_SUPERCLASS))
