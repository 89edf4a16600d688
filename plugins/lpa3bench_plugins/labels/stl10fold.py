"""STL-10's own division of its labels: ten folds of 1,000, one for each trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lpa3bench.api import LabelContext, Labels, LabelSet
from lpa3bench.errors import DataError
from lpa3bench_plugins.labels.confusion import _UNLABELLED, describe_noise

if TYPE_CHECKING:
    from torch import Tensor

_FILE = "stl10_binary/fold_indices.txt"
FOLDS = 10
EACH = 1000
LABELLED = 5000


class STL10Fold(Labels):
    """The 1,000 labels of one official fold (Coates et al., 2011); 104,000 images have none.

    Folds are read from `stl10_binary/fold_indices.txt` in the data folder, which comes with the data set: ten
    lines, each with the places of 1,000 images among the 5,000 that have a label. They overlap.

    Args:
        fold: 0 to 9. None: the run's seed modulo ten, so that seeds are trials. (Which folds the paper's
            three trials took is not known.)
    """

    paper = "https://proceedings.mlr.press/v15/coates11a.html"
    partial = True

    def __init__(self, *, fold: int | None = None) -> None:
        if fold is not None and not 0 <= fold < FOLDS:
            raise ValueError(f"fold: must be from 0 to {FOLDS - 1}, or None, not {fold}")
        self.fold = fold

    def content(self, root: Path, seed: int) -> bytes:
        """The file of folds."""
        path = root / _FILE
        return path.read_bytes() if path.is_file() else b""

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        """Raises DataError where the file of folds is missing or damaged."""
        import torch

        candidates = (clean != _UNLABELLED).nonzero()[:, 0]
        if len(candidates) != LABELLED:
            raise ValueError(
                f"the folds are of STL-10's {LABELLED:,} labelled images; here are {len(candidates):,}"
            )
        fold = ctx.seed % FOLDS if self.fold is None else self.fold
        labelled = torch.zeros_like(clean, dtype=torch.bool)
        labelled[candidates[_folds(ctx.root)[fold]]] = True
        given = clean.where(labelled, _UNLABELLED)
        info = describe_noise(clean, given, labelled, num_classes=ctx.num_classes, nominal_rate=0.0)
        return LabelSet(given, labelled, {"kind": "STL10Fold", "fold": fold, **info})


def _folds(root: Path) -> Tensor:
    """int64 [10, 1000]"""
    import torch

    path = root / _FILE
    if not path.is_file():
        raise DataError(
            f"STL10Fold: {_FILE} is not in {root}; it comes in stl10_binary.tar.gz, which "
            "lpa3bench data get STL10 fetches"
        )
    try:
        folds = torch.tensor([[int(word) for word in line.split()] for line in _lines(path)])
    except (
        ValueError,
        RuntimeError,
    ) as error:  # no number, one too large, lines of several lengths
        raise _damaged(path, str(error)) from error
    if folds.shape != (FOLDS, EACH):
        raise _damaged(path, f"it holds {list(folds.shape)} places, not {FOLDS} lines of {EACH}")
    if int(folds.min()) < 0 or int(folds.max()) >= LABELLED:
        raise _damaged(path, f"places must lie in 0 … {LABELLED - 1}")
    if any(len(fold.unique()) != EACH for fold in folds):
        raise _damaged(path, "a place stands twice in a line")
    return folds


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def _damaged(path: Path, fault: str) -> DataError:
    return DataError(f"STL10Fold: {path} is damaged ({' '.join(fault.split())})")
