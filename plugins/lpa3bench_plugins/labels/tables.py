"""Tables of a user's: a row for each image, in the images' order or with their names in a column."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

DELIMITERS = ",;\t|"
_LOOKED_AT = 100
"""Rows by which the delimiter is found out."""


class ImageNames(NamedTuple):
    """A column that names the images."""

    place: int
    """Of the column."""
    title: str
    rows: Any
    """int64 [N], the row of each image."""


class LabelTable(NamedTuple):
    """Rows of texts."""

    header: list[str] | None
    rows: list[list[str]]

    @classmethod
    def read(cls, path: Path, ids: Sequence[str] | None, classes: Sequence[str] = ()) -> LabelTable:
        """A table from a file, whose first row is a header unless it opens with a number, names an image, or
        has a label as the row after it.

        Args:
            path: text in UTF-8.
            ids: what the images are called, where they have names.
            classes: what the classes are called, likewise.

        Raises:
            OSError, ValueError, csv.Error: it cannot be read.
        """
        text = path.read_text(encoding="utf-8-sig")
        rows = [[cell.strip() for cell in row] for row in _parsed(text, _delimiter(text)) if row]
        if not rows or _is_number(rows[0][0]) or any(_names_one(cell, ids or ()) for cell in rows[0]):
            return cls(None, rows)
        known = {*classes, "-1"}
        if any(cell in classes and known.issuperset(below) for cell, *below in zip(*rows[:2], strict=False)):
            return cls(None, rows)
        return cls(rows[0], rows[1:])

    def names(self, ids: Sequence[str]) -> ImageNames | None:
        """The column that names the images; None: there is none, so that rows are in their order.

        Raises:
            ValueError: one does, but not every image, or one of them twice, or two by the same name.
        """
        for place, cells in enumerate(zip_longest(*self.rows, fillvalue="")):
            title = self._title(place)
            if (rows := _joined(cells, ids, title)) is not None:
                return ImageNames(place, title, rows)
        return None

    def labels(self, key: str | None, names: ImageNames | None, classes: Sequence[str] = ()) -> Any:
        """float64, the classes in a column: of each row, or, where a column names the images, of each image.

        Args:
            key: title of the column; None: there is only one, beside that of the names.
            names: the column of the names.
            classes: see `class_numbers`.

        Raises:
            ValueError: no column is meant, or not every row has a class in it.
        """
        width = len(self.header or max(self.rows, key=len, default=[""]))
        others = [place for place in range(width) if names is None or place != names.place]
        if not others:
            raise ValueError("it names images and has no labels")
        if self.header is not None:
            title = choose(key, [self.header[place] for place in others])
            if len(places := [place for place in others if self.header[place] == title]) > 1:
                raise ValueError(f"{len(places)} of its columns are called {title!r}; rename all but one")
            (column,) = places
        elif key is not None:
            raise ValueError(f"there is no header to find the key {key!r} in")
        elif len(others) > 1:
            raise ValueError("several columns need a header, and FromFile.key the name of one")
        else:
            (column,) = others
        rows = self.rows if names is None else [self.rows[row] for row in names.rows]
        if any(len(row) <= column for row in rows):
            raise ValueError("not every row has that column")
        return class_numbers([row[column] for row in rows], classes)

    def _title(self, place: int) -> str:
        return f"column {place + 1}" if self.header is None else f"column {self.header[place]!r}"


def choose(key: str | None, names: Sequence[str]) -> str:
    """The one of `names` that `key` asks for; it may be left out where there is only one."""
    if key is None and len(names) == 1:
        return names[0]
    if key is None or key not in names:
        raise ValueError(f"FromFile.key must be one of {', '.join(names)}; it is {key!r}")
    return key


# ------------------------------------------------------------------------------------- what stands in a file
def class_numbers(words: Sequence[str], classes: Sequence[str]) -> Any:
    """float64 [N]: class numbers if all are numbers, else places among the names of classes, or -1.

    Args:
        words: one for each image.
        classes: what the classes are called, in their order; empty: they have no names.

    Raises:
        ValueError: one is neither.
    """
    strange = [word for word in words if not _is_number(word)]
    if strange and not classes:
        raise ValueError(f"label {strange[0]!r} is no number")
    if not strange:
        return np.array([float(word) for word in words])
    numbers = {"-1": -1, **{name: number for number, name in enumerate(classes)}}
    if strange := [word for word in words if word not in numbers]:
        shown = ", ".join(classes[:10]) + (f" and {len(classes) - 10} more" if len(classes) > 10 else "")
        raise ValueError(f"{strange[0]!r} is no class; they are {shown}, and -1 stands for none")
    return np.array([numbers[word] for word in words], np.float64)


def _parsed(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _delimiter(text: str) -> str:
    """The one that makes the most columns, the same number in every row if possible; else a comma."""

    def columns(delimiter: str) -> tuple[bool, int]:
        rows = _parsed(text, delimiter)
        widths = [len(row) for row, _ in zip(filter(None, rows), range(_LOOKED_AT), strict=False)]
        return len(set(widths)) == 1 and widths[0] > 1, max(widths, default=0)

    return max(DELIMITERS, key=columns)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# ------------------------------------------------------------------------------------------ names of images
def _joined(cells: Sequence[str], ids: Sequence[str], title: str) -> Any:
    """int64 [N], for each image the cell that names it; None: the cells name none.

    Names are compared by as many of their last parts as all of them have.

    Raises:
        ValueError: they name some, and do not tell all images apart.
    """
    names = [_path(cell) for cell in cells]
    depth = min(name.count("/") + 1 for name in (*names, *ids))
    given, wanted = _ends(names, depth), _ends(ids, depth)
    if not {*given} & {*wanted}:
        wanted = [name.rpartition(".")[0] for name in wanted]
        if sorted(given) != sorted(wanted):  # without endings, a number may be a name
            return None
    if given == wanted:  # in their order, and be it that folders are missing that would tell them apart
        return np.arange(len(ids))
    if shared := [name for name, count in Counter(wanted).items() if count > 1]:
        one, other = [image for image, name in zip(ids, wanted, strict=True) if name == shared[0]][:2]
        raise ValueError(f"its {title} does not tell {one} from {other}; write their folders too")
    if twice := [name for name, count in Counter(given).items() if count > 1 and name in {*wanted}]:
        raise ValueError(f"its {title} names {twice[0]} more than once")
    rows = {name: row for row, name in enumerate(given)}
    if missing := [image for image, name in zip(ids, wanted, strict=True) if name not in rows]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(
            f"its {title} names images, but not {missing[0]}{more}; an image without a label has -1"
        )
    return np.array([rows[name] for name in wanted], np.int64)


def _path(text: str) -> str:
    """Of an image, with Windows' separators or from the working folder too."""
    return text.replace("\\", "/").removeprefix("./")


def _ends(names: Sequence[str], depth: int) -> list[str]:
    """The last parts of paths, so many of them."""
    return ["/".join(name.split("/")[-depth:]) for name in names]


def _names_one(text: str, ids: Sequence[str]) -> bool:
    """Whether it is the path of an image, or how one ends or goes on before, with its ending or without."""
    path = f"/{_path(text)}"
    known = (f"/{name}" for image in ids for name in (image, image.rpartition(".")[0]))
    return not _is_number(text) and any(name.endswith(path) or path.endswith(name) for name in known)
