"""Where a user's own images come from, looked through and not decoded.

Everything that can be wrong with them is one line that names the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from lpa3bench.data.pixels import Picture
from lpa3bench.errors import DataError
from lpa3bench.runtime.files import regular

OPTIONAL = "val"
SPLITS_IN_WORDS = "train, val and test"


class Source(ABC):
    """The images of a data set and their labels, in an order that is always the same."""

    num_classes: int
    class_names: tuple[str, ...] = ()
    """In the order of the labels; empty where they have none."""
    labels: dict[str, list[int]]
    """By split, "val" only where there is one."""
    stamp: tuple[str, ...]
    """Changes when the images do: names, sizes and times of modification of the files."""
    told: tuple[str, ...] = ()
    """What looks like a part of it and is not, a line each."""
    passed_over: Mapping[str, int]
    """How many files, folders or arrays of each kind are no part of it: `{".gif": 2, "hidden": 1}`."""

    @abstractmethod
    def pictures(self, split: str) -> list[Picture]:
        """The images of a split, as many as its labels."""

    def ids(self, split: str) -> tuple[str, ...] | None:
        """What the images of a split are called; None where they have no names."""
        return None


def stamp(file: Path, root: Path) -> str:
    """Name, size and time of a file. Of what cannot be read, the reason: opening it says so."""
    name = file.relative_to(root)
    try:
        state = regular(file)
    except (OSError, ValueError) as error:
        return f"{name} {error}"
    return f"{name} {state.st_size} {state.st_mtime_ns}"


def wrong_source(path: Path, fault: str) -> DataError:
    """The error for a folder or an archive that is not what it should be."""
    return DataError(f"Images.path: {path}: {fault}")
