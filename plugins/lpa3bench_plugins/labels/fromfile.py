"""Labels of the user's own, such as human annotations."""

from __future__ import annotations

import csv
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench.errors import DataError
from lpa3bench_plugins.labels.confusion import _UNLABELLED, describe_noise


class FromFile(Labels):
    """Labels read from a file: a whole number for each training image, in the data set's order.

    A label is a class from 0 to K − 1, or −1 for an image without one.

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
        labelled = given != _UNLABELLED
        info = describe_noise(clean, given, labelled, num_classes=ctx.num_classes, nominal_rate=None)
        return LabelSet(given, labelled, {"kind": "FromFile", "file": Path(self.path).name, **info})

    def _read(self, count: int, num_classes: int) -> Tensor:
        path = Path(self.path).expanduser()
        try:
            values = _READERS[path.suffix](path, self.key)
            with np.errstate(invalid="ignore"):  # NaN is found below
                numbers = values.astype(np.int64)
        except FileNotFoundError as error:
            raise DataError(f"FromFile.path: there is no file {path.absolute()}") from error
        except (OSError, ValueError, TypeError, EOFError, csv.Error, zipfile.BadZipFile, zlib.error) as error:
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
    return np.load(path, allow_pickle=False)


def _npz(path: Path, key: str | None) -> Any:
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[_choose(key, list(arrays.files))]


def _csv(path: Path, key: str | None) -> Any:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
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


_READERS = {".npy": _npy, ".npz": _npz, ".csv": _csv, ".txt": _txt}
