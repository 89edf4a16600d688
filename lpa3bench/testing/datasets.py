"""The laws of data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from lpa3bench.api import Dataset, Split
from lpa3bench.testing.differences import (
    assert_same,
    fresh_globals,
    global_draws,
    listed,
    outcome_of,
    refuse_global_draws,
)
from lpa3bench.testing.laws import Finding, Law, NotReached, hold, judge


class Trial:
    """A data set, read from the data folder `root`."""

    def __init__(self, make: Callable[[], Dataset], root: Path) -> None:
        self.make, self.root = make, root
        self.global_draws: set[str] = set()
        """Of the last reading."""
        self.written: set[str] = set()
        """What any reading has made, changed or removed in the data folder."""

    @cached_property
    def dataset(self) -> Dataset | BaseException:
        """Built, or what building it raises."""
        return outcome_of(self.make)

    @cached_property
    def loaded(self) -> dict[str, Split] | BaseException:
        """Its splits, or what reading them raises."""
        return outcome_of(lambda: self.load())

    @cached_property
    def again(self) -> dict[str, Split]:
        """Its splits, read once more, with a cache."""
        with TemporaryDirectory() as folder:
            return self.load(Path(folder))

    def load(self, cache: Path | None = None) -> dict[str, Split]:
        self.global_draws = set()
        before = _files(self.root)
        try:
            with fresh_globals(), global_draws(self.global_draws):
                return self.built().load(self.root, cache=cache)
        finally:
            self.written |= {name for name, _ in before ^ _files(self.root)}

    def built(self) -> Dataset:
        """The data set, where there is one."""
        if isinstance(self.dataset, BaseException):
            raise NotReached("it could not be built")
        return self.dataset

    def splits(self) -> dict[str, Split]:
        """The splits, where they could be read."""
        self.built()
        if isinstance(self.loaded, BaseException):
            raise NotReached("it could not be read")
        return self.loaded


def _files(root: Path) -> set[tuple[str, tuple[int, ...]]]:
    """The name of everything below the folder; of files the size and the time of the last change too."""
    found: set[tuple[str, tuple[int, ...]]] = set()
    for folder, folders, files in os.walk(root):
        place = Path(folder)
        found |= {(str((place / name).relative_to(root)), ()) for name in folders}
        for name in files:
            path = place / name
            state = path.lstat()
            found.add((str(path.relative_to(root)), (state.st_size, state.st_mtime_ns)))
    return found


def initialise(trial: Trial) -> None:
    """It can be built, and its spec is known without touching the disk."""
    if isinstance(trial.dataset, BaseException):
        raise trial.dataset
    spec = trial.dataset.spec
    assert len(spec.mean) == len(spec.std) == spec.channels, "mean and std have one value per channel"
    assert min(spec.std) > 0, "std: must be > 0"
    assert spec.num_classes > 1, "there are fewer than two classes"
    assert len(set(spec.class_names)) == len(spec.class_names), "class_names: two classes have one name"


def loads(trial: Trial) -> None:
    """`load` returns at least the splits "train" and "test"."""
    trial.built()
    if isinstance(trial.loaded, BaseException):
        raise trial.loaded
    missing = [name for name in ("train", "test") if name not in trial.loaded]
    assert not missing, f"there is no split {missing[0]!r}"


def shapes(trial: Trial) -> None:
    """Images are bytes [N, C, H, W] of the spec's channels and size."""
    for name, split in trial.splits().items():
        spec = trial.built().spec
        shape = [len(split.labels), spec.channels, spec.size, spec.size]
        assert split.images.dtype == torch.uint8, f"{name}: images are {split.images.dtype}, not torch.uint8"
        assert list(split.images.shape) == shape, f"{name}: images {list(split.images.shape)}, not {shape}"


def labels(trial: Trial) -> None:
    """Labels are int64 among the classes; −1 only in "train", of a set whose spec says `unlabelled`."""
    for name, split in trial.splits().items():
        spec = trial.built().spec
        lowest = -1 if name == "train" and spec.unlabelled else 0
        assert split.labels.dtype == torch.int64, f"{name}: labels are {split.labels.dtype}, not torch.int64"
        assert int(split.labels.min()) >= lowest, f"{name}: a label below {lowest}"
        assert int(split.labels.max()) < spec.num_classes, f"{name}: a label beyond the classes"


def ids(trial: Trial) -> None:
    """Where images have names, each has one of its own."""
    for name, split in trial.splits().items():
        if split.ids is not None:
            assert len(split.ids) == len(split.labels), f"{name}: there is not one id for each image"
            assert len(set(split.ids)) == len(split.ids), f"{name}: two images have one id"


def present(trial: Trial) -> None:
    """`present` says without reading it what reading it finds: that it is there, and how many images."""
    counts = {name: len(split.labels) for name, split in trial.splits().items()}
    said = trial.built().present(trial.root)
    assert said.problem is None, f"`present` says that it is not there: {said.problem}"
    assert said.splits in (None, counts), f"`present` counts {said.splits}, and there are {counts}"


def same_again(trial: Trial) -> None:
    """Loading twice gives the same, with and without a cache."""
    assert_same(dict(trial.splits()), dict(trial.again), "loaded again:")


def no_global_draws(trial: Trial) -> None:
    """It draws from no global generator."""
    # The first time may have imported a library that draws while it is imported.
    assert_same(sorted(trial.splits()), sorted(trial.again), "its splits, loaded again:")
    refuse_global_draws(trial.global_draws)


def folder_untouched(trial: Trial) -> None:
    """Reading makes, changes and removes nothing in the data folder; it may write into `cache` alone."""
    trial.splits()
    names = sorted(trial.written)
    assert not names, f"writes into the data folder: {listed(names)}"


LAWS = (
    Law("initialise", initialise),
    Law("loads", loads),
    Law("shapes", shapes),
    Law("labels", labels),
    Law("ids", ids),
    Law("present", present),
    Law("same again", same_again),
    Law("folder untouched", folder_untouched),
    Law("no global RNG", no_global_draws),
)


def try_dataset(make: Callable[[], Dataset], root: Path) -> list[Finding]:
    """Every law. Where its files are not there, those that need them are not applicable."""
    return judge("", LAWS, Trial(make, root))


def check_dataset(dataset: Dataset, root: Path) -> None:
    """Hold a data set to every law; its files must be in `root`.

    Raises:
        AssertionError: a law does not hold; the message names it.
        DataError: its files are missing or damaged.
    """
    findings = try_dataset(lambda: dataset, root)
    for finding in findings:
        if finding.data_missing and finding.error is not None:
            raise finding.error
    hold(findings)
