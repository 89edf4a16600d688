"""Labels of the user's own, such as human annotations."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench.data.array_files import npz_keys, read_npy, read_npz
from lpa3bench.errors import DataError
from lpa3bench_plugins.labels.confusion import _UNLABELLED, describe_noise
from lpa3bench_plugins.labels.tables import LabelTable, choose, class_numbers

if TYPE_CHECKING:
    from torch import Tensor

TABLES = (".csv", ".tsv")
ARRAYS = (".npy", ".npz", ".txt")


class FromFile(Labels):
    """Labels read from a file: a class for each training image.

    A label is a class from 0 to K − 1, or −1 for an image without one. Where the classes of the data set have
    names, labels may be these; a file of nothing but numbers has class numbers, whatever they are called.
    Where the images have names, as those of folders do, and a column of a table has them too, each row goes
    to the image that it names, whatever the order: by its path in the data set or the last parts of it
    (`train/cat/1.png`, `cat/1.png`, `1.png`), as long as they tell the images apart. Every training
    image must have a row; rows of other images are passed over. Anything else is in the data set's order. A
    run says which of the two it was, and on how many images the labels agree with the data set's own.

    Args:
        path: `.csv` or `.tsv` (one column, or several with a header; what lies between them, a comma,
            semicolon, tab or bar, is found out); `.npy`; `.npz`; or `.txt` (white space
            between labels, or a name on each line). Relative to the folder that the command is started in.
        key: the column of the table or the array of an `.npz` that holds the labels, where there are several,
            the names of images left aside.
    """

    def __init__(self, *, path: str, key: str | None = None) -> None:
        if Path(path).suffix not in (*ARRAYS, *TABLES):
            raise ValueError(f"path: must end in {', '.join((*ARRAYS, *TABLES))}; not {path!r}")
        if key is not None and Path(path).suffix not in (".npz", *TABLES):
            raise ValueError(f"key: only tables and .npz files have keys, not {path!r}")
        self.path = path
        self.key = key

    def content(self, root: Path, seed: int) -> bytes:
        """The file itself: other labels under the same name make another run."""
        path = Path(self.path).expanduser()
        return path.read_bytes() if path.is_file() else b""

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        """Raises DataError where the file is missing, cannot be read or does not fit the data set."""
        import torch

        path = Path(self.path).expanduser()
        try:
            values, joined = self._read(path, ctx)
        except FileNotFoundError as error:
            raise DataError(f"FromFile.path: there is no file {path.absolute()}") from error
        except (OSError, ValueError, csv.Error) as error:
            raise DataError(f"FromFile.path: {path}: {' '.join(str(error).split())}") from error
        given = torch.from_numpy(_whole(path, values, len(clean), ctx.num_classes))
        labelled = given != _UNLABELLED
        info = describe_noise(clean, given, labelled, num_classes=ctx.num_classes, nominal_rate=None)
        info = {"kind": "FromFile", "file": path.name, **({"joined_by": joined} if joined else {}), **info}
        return LabelSet(given, labelled, info, notes=(_agreement(info, joined),))

    def _read(self, path: Path, ctx: LabelContext) -> tuple[Any, str | None]:
        """The labels in the order of the images; and the title of the column that they were joined by.

        Raises:
            FileNotFoundError: there is no file.
            OSError, ValueError, csv.Error: it cannot be read.
        """
        if path.exists() and not path.is_file():  # a pipe would wait for somebody to write
            raise ValueError("it is no file")
        if path.suffix in TABLES:
            table = LabelTable.read(path, ctx.ids, ctx.class_names)
            names = None if ctx.ids is None else table.names(ctx.ids)
            return table.labels(self.key, names, ctx.class_names), names and names.title
        if path.suffix == ".npy":
            values = read_npy(path)
        elif path.suffix == ".npz":
            values = read_npz(path, choose(self.key, npz_keys(path)))
        else:
            text = path.read_text(encoding="utf-8-sig")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            words = lines if {*lines} & {*ctx.class_names} else text.split()  # names may have spaces
            values = class_numbers(words, ctx.class_names)
        if values.dtype.kind == "U" and values.ndim == 1 and ctx.class_names:
            values = class_numbers(values.tolist(), ctx.class_names)
        if values.dtype.kind not in _REAL:
            raise ValueError(f"it holds {values.dtype} {list(values.shape)}, not a number for each image")
        return values, None


def _whole(path: Path, values: Any, count: int, num_classes: int) -> Any:
    """int64 [count]

    Raises:
        DataError: there are not so many labels, or not all of them are classes.
    """
    with np.errstate(invalid="ignore"):  # NaN is found below
        numbers = values.astype(np.int64)
    if numbers.shape != (count,):
        raise DataError(
            f"FromFile.path: {path} holds {list(numbers.shape)} labels, the training set {count} images"
        )
    wrong = (numbers != values) | (numbers < _UNLABELLED) | (numbers >= num_classes)
    if wrong.any():
        first = int(wrong.argmax())
        found = str(values[first]).removesuffix(".0")
        raise DataError(
            f"FromFile.path: {path}: label {first} (counted from 0) is {found}; labels are 0 … "
            f"{num_classes - 1}, or {_UNLABELLED} for none"
        )
    return numbers


def _agreement(info: dict[str, Any], joined: str | None) -> str:
    """How the labels came to the images, and how far they are the data set's own."""
    by = f"joined by its {joined}" if joined else "in the order of the images"
    compared = sum(map(sum, info["confusion"]))
    right = sum(row[label] for label, row in enumerate(info["confusion"]))
    if not compared:
        return f"FromFile: {info['file']}, {by}; the data set has no labels to compare with"
    share = f"{right} of {compared} labels ({100 * right / compared:.1f} %)"
    return f"FromFile: {info['file']}, {by}; {share} agree with the data set's own"


_REAL = "biuf"
"""Kinds of dtypes that real numbers have."""
