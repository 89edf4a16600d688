"""CIFAR-10N and CIFAR-100N: labels given by people (Wei et al., 2022)."""

from __future__ import annotations

import pickle
import re
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench.data.array_files import read_npz
from lpa3bench.errors import DataError
from lpa3bench_plugins.labels.confusion import describe_noise

if TYPE_CHECKING:
    from torch import Tensor

KEYS = {
    10: {
        "aggre": "aggre_label",
        "worse": "worse_label",
        "random1": "random_label1",
        "random2": "random_label2",
        "random3": "random_label3",
    },
    100: {"noisy": "noisy_label"},
}
"""By number of classes, the variants and the arrays that hold them."""
CLASSES = {variant: classes for classes, keys in KEYS.items() for variant in keys}
CLEAN = "clean_label"
_FOLDERS = ("", "cifarn", "CIFAR-N", "data")
"""Of the data folder, where a file is looked for; the authors keep theirs in `data`."""
FILES = ("CIFAR-{}_human.pt", "CIFAR-{}_human.npz", "cifar{}n.npz")


class CIFARN(Labels):
    """CIFAR's training images as labelled by people on Amazon Mechanical Turk, three people to an image.

    Read from the data folder: `CIFAR-10_human.pt` or `CIFAR-100_human.pt` as the authors ship them, or an npz
    with the same keys (`CIFAR-10_human.npz`, `cifar10n.npz`), there or in its folder `cifarn`, `CIFAR-N` or
    `data`. The clean labels that stand beside them must be those of the data set, so labels of images in
    another order are noticed. CIFAR-100N's coarse labels are not read.

    Args:
        variant: CIFAR-10: "aggre" (majority of three, 9 % wrong), "random1" to "random3" (one person each,
            17 to 18 %), "worse" (a wrong one wherever there is one, 40 %). CIFAR-100: "noisy" (40 %).
    """

    paper = "https://arxiv.org/abs/2110.12088"

    def __init__(
        self, *, variant: Literal["aggre", "worse", "random1", "random2", "random3", "noisy"]
    ) -> None:
        if variant not in CLASSES:
            raise ValueError(f"variant: must be {', '.join(CLASSES)}; not {variant!r}")
        self.variant = variant

    def content(self, root: Path, seed: int) -> bytes:
        path = self._path(root)
        return b"" if path is None else path.read_bytes()

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        """Raises DataError where the file is missing or damaged, or belongs to images in another order."""
        import torch

        num_classes = ctx.num_classes
        if num_classes not in KEYS:
            raise ValueError(f"people labelled CIFAR-10 and CIFAR-100, not a set of {num_classes} classes")
        if self.variant not in KEYS[num_classes]:
            valid = ", ".join(KEYS[num_classes])
            raise ValueError(f"variant: must be {valid} for {num_classes} classes, not {self.variant!r}")
        path = self._path(ctx.root)
        if path is None:
            raise DataError(
                f"CIFARN: there is no {' or '.join(self._names())} in {ctx.root} "
                f"or its folders {', '.join(_FOLDERS[1:])}; get it from "
                "https://github.com/UCSC-REAL/cifar-10-100n"
            )
        known, given = self._read(path, len(clean), num_classes)
        if not torch.equal(known, clean):
            raise DataError(
                f"CIFARN: {path}: its clean labels are not the data set's ({int((known != clean).sum())} "
                "differ), so its order is another one"
            )
        everyone = torch.ones_like(clean, dtype=torch.bool)
        info = describe_noise(clean, given, everyone, num_classes=num_classes, nominal_rate=None)
        return LabelSet(
            given, everyone, {"kind": "CIFARN", "variant": self.variant, "file": path.name, **info}
        )

    def _names(self) -> list[str]:
        return [name.format(CLASSES[self.variant]) for name in FILES]

    def _path(self, root: Path) -> Path | None:
        """The first file that is there."""
        places = (root / folder / name for folder in _FOLDERS for name in self._names())
        return next((place for place in places if place.is_file()), None)

    def _read(self, path: Path, count: int, num_classes: int) -> tuple[Tensor, Tensor]:
        """The clean and the people's labels, int64 [count] each."""
        keys = (CLEAN, KEYS[num_classes][self.variant])
        try:
            arrays = _READERS[path.suffix](path, keys)
            clean, given = (_labels(arrays[key], key, count, num_classes) for key in keys)
        except READING_FAILS as error:
            said = " ".join(str(error).split()).partition(". ")[0] or type(error).__name__
            why = f"there is no {said}" if isinstance(error, KeyError) else said
            raise DataError(f"CIFARN: {path} cannot be read: {why}") from error
        return clean, given


def _labels(array: Any, key: str, count: int, num_classes: int) -> Tensor:
    """int64 [count]; ValueError where the array is something else."""
    import torch

    numbers = np.asarray(array)
    if numbers.dtype.kind not in "iu" or numbers.shape != (count,):
        raise ValueError(
            f"{key} is {numbers.dtype} {list(numbers.shape)}, not a whole number for each of {count} images"
        )
    if numbers.min() < 0 or numbers.max() >= num_classes:
        raise ValueError(f"{key} does not lie in 0 … {num_classes - 1}")
    return torch.from_numpy(numbers.astype(np.int64))


def _pt(path: Path, keys: tuple[str, ...]) -> Any:
    """A pickle can name any function to be called: only what rebuilds arrays of whole numbers is let in."""
    import torch

    rebuild: Any = np.empty(0).__reduce__()[0]  # the function, wherever this version of numpy keeps it
    allowed = [(rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]
    dtypes = {type(np.dtype(kind)) for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")}
    try:
        with torch.serialization.safe_globals([*allowed, np.ndarray, np.dtype, *dtypes]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own words are many, and advise to load the file all the same.
        named = re.search(r"(?:GLOBAL|global|class) ([\w.]+)", str(error))
        what = f"calls for {named[1]}, which has no business there" if named else "is no pickle of arrays"
        raise ValueError(f"it {what}") from error


def _npz(path: Path, keys: tuple[str, ...]) -> Any:
    return {key: read_npz(path, key) for key in keys}


_READERS = {".pt": _pt, ".npz": _npz}
READING_FAILS = (
    OSError, ValueError, KeyError, TypeError, IndexError, EOFError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
