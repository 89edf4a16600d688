"""What a run predicted, and `predictions.npz`, from which a metric that comes later is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lpa3bench.errors import DataError
from lpa3bench.runtime.sealed_files import read_arrays, write_arrays
from lpa3bench.types import SCORED


class Predictions(NamedTuple):
    """How a split was predicted; all on the CPU."""

    probs: Tensor
    """float32 [N, K]"""
    labels: Tensor
    """int64 [N]: the clean ones; of images that `run.holdout` set apart, the given ones."""

    @property
    def correct(self) -> Tensor:
        """bool [N]: whether the image's class has the highest probability, the first of equals."""
        return self.probs.argmax(1) == self.labels


@dataclass(frozen=True)
class StoredPredictions:
    """What the file holds, by split: "test", and "val" where there is one."""

    last: Mapping[str, Predictions]
    """After the last epoch."""
    selected: Mapping[str, Predictions]
    """After the epoch that was selected on the validation split; empty where none was."""


def write_predictions(path: Path, stored: StoredPredictions) -> None:
    """Write the file, all or nothing: probabilities in float32, so that metrics come out as in the run.

    Raises:
        RunFailed: the disk refused it.
    """
    arrays: dict[str, Any] = {}
    for split, predicted in stored.last.items():
        arrays |= {f"{split}/probs": predicted.probs.numpy(), f"{split}/labels": predicted.labels.numpy()}
    arrays |= {f"{split}_selected/probs": p.probs.numpy() for split, p in stored.selected.items()}
    write_arrays(path, arrays | {"test/correct": stored.last["test"].correct.numpy()})


def read_predictions(path: Path) -> StoredPredictions | None:
    """What the file holds; None where there is none, or only what runs kept before metrics were plugins.

    Raises:
        DataError: it is damaged.
    """
    try:
        arrays = {name: torch.from_numpy(array) for name, array in read_arrays(path).items()}
    except FileNotFoundError:
        return None
    except TypeError as error:  # words, say
        raise DataError("damaged (it holds no numbers)", path=path) from error
    labels = {split: arrays.get(f"{split}/labels") for split in SCORED}
    found: dict[str, dict[str, Predictions]] = {"": {}, "_selected": {}}
    for when, splits in found.items():
        for split, its in labels.items():
            probs = arrays.get(f"{split}{when}/probs")
            if probs is not None and its is not None:
                if probs.ndim != 2 or its.shape != probs.shape[:1]:
                    shapes = f"{list(its.shape)} labels, {list(probs.shape)} probs"
                    raise DataError(f"damaged ({split}: {shapes})", path=path)
                if not probs.is_floating_point() or its.is_floating_point() or its.is_complex():
                    kinds = f"{its.dtype} labels, {probs.dtype} probs"
                    raise DataError(f"damaged ({split}: {kinds})", path=path)
                splits[split] = Predictions(probs.float(), its.long())
    return StoredPredictions(found[""], found["_selected"]) if "test" in found[""] else None
