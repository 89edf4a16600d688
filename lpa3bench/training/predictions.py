"""What a run predicted, and `predictions.npz`, from which a metric that comes later is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lpa3bench.errors import DataError
from lpa3bench.runtime.sealed_files import read_arrays, write_arrays
from lpa3bench.training.training_data import Places
from lpa3bench.types import SCORED, Weights

LONGEST_WORD = 256


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
    places: Mapping[str, Places] = field(default_factory=dict)
    """Which images they are; empty where an earlier engine wrote the file."""
    class_names: tuple[str, ...] = ()
    """In the order of the labels; empty: the classes have no names, or an earlier engine wrote the file."""

    def of(self, weights: Weights) -> Mapping[str, Predictions]:
        """Those of one epoch: the last one, or the best by validation."""
        return self.last if weights == "last" else self.selected


def write_predictions(path: Path, stored: StoredPredictions) -> None:
    """Write the file, all or nothing: probabilities in float32, so that metrics come out as in the run.

    Raises:
        RunFailed: the disk refused it.
    """
    arrays: dict[str, Any] = {}
    for split, predicted in stored.last.items():
        arrays |= {f"{split}/probs": predicted.probs.numpy(), f"{split}/labels": predicted.labels.numpy()}
    arrays |= {f"{split}_selected/probs": p.probs.numpy() for split, p in stored.selected.items()}
    for split, which in stored.places.items():
        arrays[f"{split}/index"] = which.index.numpy()
        if which.ids is not None:
            arrays[f"{split}/ids"] = _words(which.ids)
        if which.clean is not None:
            arrays[f"{split}/clean_labels"] = which.clean.numpy()
    if stored.class_names:
        arrays["class_names"] = _words(stored.class_names)
    write_arrays(path, arrays | {"test/correct": stored.last["test"].correct.numpy()})


def _words(words: Sequence[str]) -> Any:
    """As NumPy holds them, four bytes a sign and all as long as the longest: of a long name the end stays, so
    that the file unpacks to no more than its readers take."""
    return np.array([word if len(word) <= LONGEST_WORD else f"…{word[1 - LONGEST_WORD :]}" for word in words])


def read_predictions(path: Path) -> StoredPredictions | None:
    """What the file holds; None where there is none, or only what runs kept before metrics were plugins.

    Raises:
        DataError: it is damaged.
    """
    try:
        held = read_arrays(path)
        words = {name: held.pop(name) for name in [*held] if held[name].dtype.kind == "U"}
        arrays = {name: torch.from_numpy(array) for name, array in held.items()}
    except FileNotFoundError:
        return None
    except TypeError as error:  # bytes, say
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
    if "test" not in found[""]:
        return None
    places = {
        split: Places(
            arrays[f"{split}/index"],
            tuple(words[f"{split}/ids"].tolist()) if f"{split}/ids" in words else None,
            arrays.get(f"{split}/clean_labels"),
        )
        for split in found[""]
        if f"{split}/index" in arrays
    }
    names = tuple(words["class_names"].tolist()) if "class_names" in words else ()
    stored = StoredPredictions(found[""], found["_selected"], places, names)
    if wrong := _misfit(stored):
        raise DataError(f"damaged ({wrong})", path=path)
    return stored


def _misfit(stored: StoredPredictions) -> str | None:
    """Which of what is told of the images does not fit the predictions."""
    for split, which in stored.places.items():
        count = stored.last[split].labels.shape  # [N]
        if which.index.shape != count or (which.clean is not None and which.clean.shape != count):
            return f"{split}: of other images"
        if which.ids is not None and len(which.ids) != count[0]:
            return f"{split}: {len(which.ids)} ids"
    for split, (probs, labels) in (*stored.last.items(), *stored.selected.items()):
        if ((labels < 0) | (labels >= probs.shape[1])).any():
            return f"{split}: a label of none of the {probs.shape[1]} classes"
    names, classes = stored.class_names, stored.last["test"].probs.shape[1]
    return f"{len(names)} names of {classes} classes" if names and len(names) != classes else None
