"""Images decoded into bytes of one size: by a pool of threads, once, and kept in a file that is mapped."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lpa3bench.data.splits import fingerprint
from lpa3bench.errors import DataError, RunFailed
from lpa3bench.runtime.files import write_atomically
from lpa3bench_plugins.datasets.sources import Picture

_CHUNK = 256
"""Images decoded at a time; so many are held beside the result."""
MODES = {1: "L", 3: "RGB"}
Pixels = Any
"""np.ndarray, whose type parameters say nothing here."""


class Decoded(NamedTuple):
    """Images of one size, and what was measured on the training images among them."""

    images: Tensor
    """uint8 [N, C, S, S]"""
    mean: tuple[float, ...]
    """Per channel, in [0, 1]."""
    std: tuple[float, ...]


def square(picture: Picture, size: int, channels: int) -> Pixels:
    """The largest square in the middle of an image, resized: uint8 [C, size, size].

    The same as resizing until the shorter side is `size` and cutting out the middle, but for rounding; with
    Pillow's bilinear filter, which averages where it makes smaller. An image of that size is left as it is.

    Raises:
        DataError: it cannot be read; the message names it.
    """
    try:
        with picture.open() as image:
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"its pixels are not bytes (mode {image.mode}); convert it to 8 bits")
            middle = _middle(*image.size)
            whole = image.convert(MODES[channels])
            if whole.size != (size, size):
                whole = whole.resize((size, size), Image.Resampling.BILINEAR, box=middle)
            pixels = np.asarray(whole)
    except Exception as error:  # bytes that are no image fail in any way
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"Images: {picture.name} cannot be read ({why}); mend it or remove it") from error
    return pixels.reshape(size, size, channels).transpose(2, 0, 1)


def _middle(width: int, height: int) -> tuple[float, float, float, float]:
    """The largest square in the middle: left, top, right, bottom."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def decode(pictures: Sequence[Picture], size: int, channels: int) -> Iterator[Pixels]:
    """All images in order, some at a time: uint8 [n, C, size, size].

    Raises:
        DataError: one cannot be read, the first in order.
    """
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(pictures), _CHUNK):
            some = pictures[start : start + _CHUNK]
            yield np.stack([*pool.map(lambda picture: square(picture, size, channels), some)])


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


def in_memory(chunks: Iterable[Pixels], shape: tuple[int, ...], train: int) -> Decoded:
    """Images of that shape, the first `train` of which are the training images."""
    images = torch.empty(shape, dtype=torch.uint8)
    done = 0
    for some in chunks:
        images[done : done + len(some)] = torch.from_numpy(some)
        done += len(some)
    return Decoded(images, *statistics(images[:train]))


def in_cache(
    folder: Path,
    name: str,
    key: str,
    chunks: Callable[[], Iterable[Pixels]],
    shape: tuple[int, ...],
    train: int,
) -> Decoded:
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
        write_atomically(images, lambda path: _write(path, chunks(), shape))
        mapped = _mapped(images)
        made = Decoded(mapped, *statistics(mapped[:train]))
        told = {"key": key, "sha256": _sealed(made), "mean": made.mean, "std": made.std}
        write_atomically(about, lambda path: path.write_text(json.dumps(told)))
    return made


def _held(images: Path, about: Path, key: str, shape: tuple[int, ...]) -> Decoded | None:
    """What the files hold; None where they do not hold what is wanted."""
    try:
        told = json.loads(about.read_text())
        if told["key"] != key:
            return None
        held = Decoded(_mapped(images), tuple(told["mean"]), tuple(told["std"]))
        whole = tuple(held.images.shape) == shape and _sealed(held) == told["sha256"]
    except Exception:  # missing, or damaged, which fails in any way
        return None
    return held if whole else None


def _sealed(decoded: Decoded) -> str:
    """SHA-256 of everything in it."""
    measured = (torch.tensor(values, dtype=torch.float64) for values in (decoded.mean, decoded.std))
    return fingerprint([decoded.images, *measured])


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
