"""Images decoded into bytes of one size: by a pool of threads, once, and kept in a file that is mapped."""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lpa3bench.data.pixels import Pixels
from lpa3bench.data.splits import fingerprint
from lpa3bench.errors import DataError, RunFailed
from lpa3bench.runtime.files import write_atomically

_CHUNK = 256
"""Images looked at a time."""
Chunks = Callable[[Counter[str]], Iterable[Pixels]]
"""Decodes images, some at a time, and counts their kinds."""


class DecodedSet(NamedTuple):
    """Images of one size, and what was measured on the training images among them."""

    images: Tensor
    """uint8 [N, C, S, S]"""
    mean: tuple[float, ...]
    """Per channel, in [0, 1]."""
    std: tuple[float, ...]
    kinds: dict[str, int]
    """How many images are of each kind."""


def statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of values in [0, 1].

    Values are counted, so nothing is rounded on the way. A channel that is the same everywhere has a
    deviation of 1, by which it can be divided.

    Args:
        images: uint8 [N, C, H, W], N > 0.
    """
    counts = np.zeros((images.shape[1], 256), np.int64)
    for some in torch.split(images, _CHUNK):
        for channel, seen in enumerate(counts):
            seen += np.bincount(some[:, channel].reshape(-1).numpy(), minlength=256)
    share = counts / counts.sum(1, keepdims=True)
    values = np.arange(256) / 255
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(1))
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())


def in_memory(chunks: Chunks, shape: tuple[int, ...], train: int) -> DecodedSet:
    """Images of that shape, the first `train` of which are the training images."""
    images = torch.empty(shape, dtype=torch.uint8)
    done, kinds = 0, Counter[str]()
    for some in chunks(kinds):
        images[done : done + len(some)] = torch.from_numpy(some)
        done += len(some)
    return DecodedSet(images, *statistics(images[:train]), dict(kinds))


def in_cache(
    folder: Path,
    name: str,
    key: str,
    chunks: Chunks,
    shape: tuple[int, ...],
    train: int,
) -> DecodedSet:
    """As `in_memory`, but mapped from a file, which is written where there is none, or another one.

    `<name>.json` says what `<name>.npy` holds and is written after it. What is damaged, or was made of other
    images, is made anew. One process at a time; writing to the tensor does not reach the file.

    Args:
        folder: made where it is not there; may be removed at any time.
        name: of the files.
        key: changes when the images do.
        chunks: decodes them.
        shape: of all images.
        train: how many of them, the first, are the training images.

    Raises:
        RunFailed: the folder cannot be written to.
    """
    images, about = folder / f"{name}.npy", folder / f"{name}.json"
    with _alone(folder):
        if (held := _held(images, about, key, shape)) is not None:
            return held
        kinds = Counter[str]()
        write_atomically(images, lambda path: _write(path, chunks(kinds), shape))
        mapped = _mapped(images)
        made = DecodedSet(mapped, *statistics(mapped[:train]), dict(kinds))
        told = {"key": key, "sha256": _sealed(made), "mean": made.mean, "std": made.std, "kinds": made.kinds}
        write_atomically(about, lambda path: path.write_text(json.dumps(told)))
    return made


def _held(images: Path, about: Path, key: str, shape: tuple[int, ...]) -> DecodedSet | None:
    """What the files hold; None where they do not hold what is wanted."""
    try:
        told = json.loads(about.read_text())
        if told["key"] != key:
            return None
        held = DecodedSet(_mapped(images), tuple(told["mean"]), tuple(told["std"]), told["kinds"])
        whole = tuple(held.images.shape) == shape and _sealed(held) == told["sha256"]
    except Exception:  # missing, or damaged, which fails in any way
        return None
    return held if whole else None


def _sealed(decoded: DecodedSet) -> str:
    """SHA-256 of everything in it."""
    measured = (torch.tensor(values, dtype=torch.float64) for values in (decoded.mean, decoded.std))
    counted = torch.tensor([*json.dumps(decoded.kinds).encode()], dtype=torch.uint8)
    return fingerprint([decoded.images, *measured, counted])


def _mapped(path: Path) -> Tensor:
    """The file's array; pages are read when they are needed, and copied when they are written to."""
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def _write(path: Path, chunks: Iterable[Pixels], shape: tuple[int, ...]) -> None:
    """An .npy file, written in one go: through a map, a full disk would kill the process."""
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)),
        "fortran_order": False,
        "shape": shape,
    }
    try:
        with path.open("wb") as file:
            np.lib.format.write_array_header_2_0(file, header)
            for some in chunks:
                file.write(some.tobytes())
    except DataError:  # half of it is of no use to anybody
        path.unlink()
        raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Runs that start together decode once: the others wait for the first."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "images.lock").open("a")
    except OSError as error:
        message = f"{folder}: cannot be written to ({error.strerror}); choose another --out"
        raise RunFailed(message, kind="disk") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
