"""Damaged files of every reader: read all the same, or refused in one line that names the file."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from support.label_contexts import context

from lpa3bench.errors import DataError
from lpa3bench_plugins.datasets.cifar import CIFAR10
from lpa3bench_plugins.datasets.fashion import FashionMNIST
from lpa3bench_plugins.datasets.images import Images
from lpa3bench_plugins.datasets.medmnist import BreastMNIST
from lpa3bench_plugins.datasets.stl10 import STL10
from lpa3bench_plugins.labels.cifarn import CIFARN
from lpa3bench_plugins.labels.fromfile import FromFile
from lpa3bench_plugins.labels.stl10fold import STL10Fold

EACH = 8
"""Damages of each file."""
RNG = np.random.default_rng(0)
CLEAN = torch.arange(40) % 10


class SmallCIFAR(CIFAR10):
    files: ClassVar[dict[str, dict[str, int]]] = {"train": {"train": 4}, "test": {"test": 2}}


class SmallFashion(FashionMNIST):
    files: ClassVar[dict[str, tuple[str, int]]] = {"train": ("train", 3), "test": ("t10k", 3)}


class SmallSTL(STL10):
    counts: ClassVar[dict[str, int]] = {"train": 2, "unlabeled": 2, "test": 2}


# ------------------------------------------------------------------------------------- whole files, as bytes
def noise(*shape: int) -> Any:
    return RNG.integers(0, 256, shape, np.uint8)


def saved(save: Callable[..., None], *arrays: Any, **named: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, *arrays, **named)
    return stream.getvalue()


def picture(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(noise(12, 12, 3)).save(stream, kind)
    return stream.getvalue()


def of_splits(counts: dict[str, int], side: int) -> dict[str, Any]:
    images = {f"{split}_images": noise(n, side, side) for split, n in counts.items()}
    return images | {f"{split}_labels": np.arange(n)[:, None] % 2 for split, n in counts.items()}


def cifar(count: int) -> bytes:
    return pickle.dumps({b"data": noise(count, 3072), b"labels": [*range(count)]})


def idx(array: Any) -> bytes:
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


def torch_saved(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(arrays, stream)
    return stream.getvalue()


HUMAN = {"clean_label": CLEAN.numpy(), "aggre_label": CLEAN.numpy()[::-1]}
FOLDS = "\n".join(" ".join(map(str, range(i, i + 1000))) for i in range(10)).encode()
STL = {f"stl10_binary/{part}_X.bin": noise(2, 3, 96, 96).tobytes() for part in SmallSTL.counts} | {
    f"stl10_binary/{part}_y.bin": b"\1\2" for part in ("train", "test")
}
FASHION = {
    f"{prefix}-{what}-ubyte.gz": gzip.compress(
        idx(noise(3, 28, 28) if "images" in what else np.arange(3, dtype=np.uint8))
    )
    for prefix in ("train", "t10k")
    for what in ("images-idx3", "labels-idx1")
}
LABELS = CLEAN.numpy()


def medmnist(root: Path) -> Any:
    dataset = BreastMNIST()
    dataset.info = dataset.info | {"n_samples": {"train": 4, "val": 2, "test": 2}}
    return dataset.load(root)


def labels_of(name: str) -> Callable[[Path], Any]:
    key = "y" if name.endswith(("npz", "csv")) else None
    return lambda root: FromFile(path=str(root / name), key=key).apply(CLEAN, context(10))


def folds(root: Path) -> Any:
    return STL10Fold().apply(torch.arange(5000) % 10, context(10, root=root))


class Reader(NamedTuple):
    files: dict[str, bytes]
    damaged: str
    """The one of them."""
    read: Callable[[Path], Any]


def with_pictures(kind: str) -> dict[str, bytes]:
    return {f"{split}/{name}/0.{kind}": picture(kind) for split in ("train", "test") for name in "ab"}


READERS = {
    "png": Reader(
        with_pictures("png"), "train/b/0.png", lambda root: Images(path=str(root), size=8).load(root)
    ),
    "jpeg": Reader(
        with_pictures("jpeg"), "test/a/0.jpeg", lambda root: Images(path=str(root), size=8).load(root)
    ),
    "tiff": Reader(
        with_pictures("tiff"), "test/a/0.tiff", lambda root: Images(path=str(root), size=8).load(root)
    ),
    "images.npz": Reader(
        {"mine.npz": saved(np.savez, **of_splits({"train": 4, "test": 2}, 8))},
        "mine.npz",
        lambda root: Images(path=str(root / "mine.npz"), size=8).load(root),
    ),
    "medmnist": Reader(
        {"breastmnist.npz": saved(np.savez_compressed, **of_splits({"train": 4, "val": 2, "test": 2}, 28))},
        "breastmnist.npz",
        medmnist,
    ),
    "cifar": Reader(
        {"cifar-10-batches-py/train": cifar(4), "cifar-10-batches-py/test": cifar(2)},
        "cifar-10-batches-py/train",
        SmallCIFAR().load,
    ),
    "fashion": Reader(FASHION, "train-images-idx3-ubyte.gz", SmallFashion().load),
    "stl10": Reader(STL, "stl10_binary/train_y.bin", SmallSTL().load),
    "folds": Reader({"stl10_binary/fold_indices.txt": FOLDS}, "stl10_binary/fold_indices.txt", folds),
    "cifarn.npz": Reader(
        {"cifar10n.npz": saved(np.savez, **HUMAN)},
        "cifar10n.npz",
        lambda root: CIFARN(variant="aggre").apply(CLEAN, context(10, root=root)),
    ),
    "cifarn.pt": Reader(
        {"CIFAR-10_human.pt": torch_saved(**{key: torch.tensor(a.copy()) for key, a in HUMAN.items()})},
        "CIFAR-10_human.pt",
        lambda root: CIFARN(variant="aggre").apply(CLEAN, context(10, root=root)),
    ),
    **{
        name: Reader({name: content}, name, labels_of(name))
        for name, content in {
            "a.npy": saved(np.save, LABELS),
            "a.npz": saved(np.savez, y=LABELS),
            "a.csv": b"name,y\n" + b"".join(b"%d.png,%d\n" % (i, y) for i, y in enumerate(LABELS)),
            "a.txt": b" ".join(b"%d" % y for y in LABELS),
        }.items()
    },
}


# ------------------------------------------------------------------------------------------------- the damage
def flip(content: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 20))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def flip_head(content: bytearray, chance: random.Random) -> None:
    """Where sizes and types stand."""
    for _ in range(chance.choice((1, 2, 4))):
        content[chance.randrange(min(len(content), 128))] = chance.randrange(256)


def flip_tail(content: bytearray, chance: random.Random) -> None:
    """Where an archive has its table of contents."""
    for _ in range(chance.choice((1, 2, 4))):
        content[-1 - chance.randrange(min(len(content), 200))] = chance.randrange(256)


def cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def lose(content: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(content))
    del content[start : start + chance.choice((1, 8, 100))]


def overwrite(content: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(content))
    content[start : start + 64] = chance.choice((bytes(64), b"\xff" * 64, chance.randbytes(64), b"9" * 64))


def append(content: bytearray, chance: random.Random) -> None:
    content += chance.choice((b"\0", chance.randbytes(50), content[:500]))


DAMAGES = (flip, flip_head, flip_tail, cut, lose, overwrite, append)


def outcome(name: str, seed: int, folder: Path) -> str | None:
    """What is said of the damaged file, None where it was read; AssertionError where that is not as it should
    be."""
    files, damaged, read = READERS[name]
    chance = random.Random(zlib.crc32(name.encode()) + seed)
    for file, content in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    content = bytearray(files[damaged])
    chance.choice(DAMAGES)(content, chance)
    (folder / damaged).write_bytes(content)
    try:
        read(folder)
    except DataError as error:
        said = str(error)
        assert error.exit_code == 4
        assert str(folder / damaged) in said or f"{folder}: " in said
        assert "\n" not in said
        assert len(said) < 1000
        assert "allow_pickle" not in said
        return said
    return None


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_is_read_or_named(tmp_path: Path, name: str) -> None:
    said = [outcome(name, seed, tmp_path) for seed in range(EACH)]
    assert any(said), "no damage was noticed"


@pytest.mark.parametrize("name", READERS)
def test_the_whole_file_is_read(tmp_path: Path, name: str) -> None:
    for file, content in READERS[name].files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    assert READERS[name].read(tmp_path)
