"""Labels of the user's own, such as human annotations."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench.data.array_files import npz_keys, read_npy, read_npz
from lpa3bench.errors import DataError
from lpa3bench_plugins.labels.confusion import _UNLABELLED, describe_noise

if TYPE_CHECKING:
    from torch import Tensor


class FromFile(Labels):
    """Labels read from a file: a whole number for each training image, in the data set's order.

    A label is a class from 0 to K − 1, or −1 for an image without one. Where the images of the data set have
    names, and a column of a `.csv` has the same ones in another order, the file is refused.

    Args:
        path: `.npy`; `.npz`; `.csv` (one column, or several with a header); or `.txt` (numbers between white
            space). Relative to the folder that the command is started in.
        key: the array of an `.npz` or the column of a `.csv`, where there are several.
    """

    def __init__(self, *, path: str, key: str | None = None) -> None:
        if Path(path).suffix not in _READERS:
            raise ValueError(f"path: must end in {', '.join(_READERS)}; not {path!r}")
        if key is not None and Path(path).suffix not in (".npz", ".csv"):
            raise ValueError(f"key: only .npz and .csv files have keys, not {path!r}")
        self.path = path
        self.key = key

    def content(self, root: Path, seed: int) -> bytes:
        """The file itself: other labels under the same name make another run."""
        path = Path(self.path).expanduser()
        return path.read_bytes() if path.is_file() else b""

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        """Raises DataError where the file is missing, cannot be read or does not fit the data set."""
        given = self._read(len(clean), ctx.num_classes)
        self._check_order(ctx.ids)
        labelled = given != _UNLABELLED
        info = describe_noise(clean, given, labelled, num_classes=ctx.num_classes, nominal_rate=None)
        return LabelSet(given, labelled, {"kind": "FromFile", "file": Path(self.path).name, **info})

    def _check_order(self, ids: tuple[str, ...] | None) -> None:
        """Raises DataError where a column names the images, and not in their order."""
        path = Path(self.path).expanduser()
        if ids is None or path.suffix != ".csv":
            return
        for column in zip_longest(*_rows(path), fillvalue=""):
            names = column[-len(ids) :]  # with or without a header
            # By as much of a path as the file has: "train/cat/1.png", "cat/1.png", "1.png".
            known = ["/".join(name.split("/")[-1 - names[0].count("/") :]) for name in ids]
            if sorted(names) == sorted(known) and (place := _first_difference(names, known)) is not None:
                raise DataError(
                    f"FromFile.path: {path}: its rows are in another order than the images: label {place} "
                    f"(counted from 0) is of {names[place]}, image {place} is {ids[place]}; sort the rows"
                )

    def _read(self, count: int, num_classes: int) -> Tensor:
        import torch

        path = Path(self.path).expanduser()
        try:
            if path.exists() and not path.is_file():  # a pipe would wait for somebody to write
                raise ValueError("it is no file")
            values = _READERS[path.suffix](path, self.key)
            if values.dtype.kind not in _REAL:
                raise ValueError(f"it holds {values.dtype} {list(values.shape)}, not a number for each image")
            with np.errstate(invalid="ignore"):  # NaN is found below
                numbers = values.astype(np.int64)
        except FileNotFoundError as error:
            raise DataError(f"FromFile.path: there is no file {path.absolute()}") from error
        except (OSError, ValueError, csv.Error) as error:
            raise DataError(f"FromFile.path: {path}: {' '.join(str(error).split())}") from error
        if numbers.shape != (count,):
            raise DataError(
                f"FromFile.path: {path} holds {list(numbers.shape)} labels, the training set {count} images"
            )
        wrong = (numbers != values) | (numbers < _UNLABELLED) | (numbers >= num_classes)
        if wrong.any():
            first = int(wrong.argmax())
            raise DataError(
                f"FromFile.path: {path}: label {first} (counted from 0) is {values[first]}; labels are 0 … "
                f"{num_classes - 1}, or {_UNLABELLED} for none"
            )
        return torch.from_numpy(numbers)


def _npy(path: Path, key: str | None) -> Any:
    return read_npy(path)


def _npz(path: Path, key: str | None) -> Any:
    return read_npz(path, _choose(key, npz_keys(path)))


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row for row in csv.reader(file) if row]


def _first_difference(one: Sequence[str], other: Sequence[str]) -> int | None:
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), None)


def _csv(path: Path, key: str | None) -> Any:
    rows = _rows(path)
    header = rows.pop(0) if rows and not _is_number(rows[0][0]) else None
    if header is None and key is not None:
        raise ValueError(f"there is no header to find the key {key!r} in")
    if header is None and rows and len(rows[0]) > 1:
        raise ValueError("several columns need a header, and FromFile.key the name of one")
    column = 0 if header is None else header.index(_choose(key, header))
    if any(len(row) <= column for row in rows):
        raise ValueError("not every row has that column")
    return np.array([float(row[column]) for row in rows])


def _txt(path: Path, key: str | None) -> Any:
    return np.array([float(word) for word in path.read_text(encoding="utf-8-sig").split()])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _choose(key: str | None, names: list[str]) -> str:
    """The one of `names` that `key` asks for; it may be left out where there is only one."""
    if key is None and len(names) == 1:
        return names[0]
    if key not in names:
        raise ValueError(f"FromFile.key must be one of {', '.join(names)}; it is {key!r}")
    return key


_REAL = "biuf"
"""Kinds of dtypes that real numbers have."""
_READERS = {".npy": _npy, ".npz": _npz, ".csv": _csv, ".txt": _txt}
