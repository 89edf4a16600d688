"""The laws of data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from lpa3bench.api import Dataset, Split
from lpa3bench.testing.differences import attempt, fresh_globals, global_draws, listed
from lpa3bench.testing.laws import Finding, Law, findings_of, hold
from lpa3bench.testing.subject import Observation, Subject, initialise, no_global_draws, same_seed


@dataclass
class SplitsSeen(Observation):
    """Its splits, or what reading them raised."""

    splits: dict[str, Split] = field(default_factory=dict)


class DatasetSubject(Subject[SplitsSeen]):
    """A data set, read from the data folder `root`."""

    results = "splits"

    def __init__(self, make: Callable[[], Dataset], root: Path) -> None:
        self.make, self.root = make, root
        self.readings = 0
        self.written: set[str] = set()
        """What any reading has made, changed or removed in the data folder."""

    def start(self) -> Dataset:
        return self.make()

    @cached_property
    def dataset(self) -> Dataset:
        """The one that is read."""
        self.started()
        return self.make()

    def see(self, seed: int) -> SplitsSeen:
        """Read it, every other time with a cache. It has no seed."""
        seen = SplitsSeen()
        before = _files(self.root)
        self.readings += 1
        with TemporaryDirectory() as folder, fresh_globals(), global_draws(seen.global_draws):
            cache = Path(folder) if self.readings % 2 == 0 else None
            seen.raised = attempt(lambda: seen.splits.update(self.dataset.load(self.root, cache=cache)))
        self.written |= {name for name, _ in before ^ _files(self.root)}
        seen.result = seen.splits
        return seen


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


# ------------------------------------------------------------------------------------------------ the laws
def spec_is_known(subject: DatasetSubject) -> None:
    """Its spec is known without touching the disk, and fits together."""
    spec = subject.dataset.spec
    assert len(spec.mean) == len(spec.std) == spec.channels, "mean and std have one value per channel"
    assert all(0 <= value <= 1 for value in spec.mean), "mean: must be in [0, 1], as of images in [0, 1]"
    assert all(0 < value <= 1 for value in spec.std), "std: must be in (0, 1], as of images in [0, 1]"
    assert spec.num_classes > 1, "there are fewer than two classes"
    assert len(set(spec.class_names)) == len(spec.class_names), "class_names: two classes have one name"
    decoder = subject.dataset.decoder
    same = (decoder.channels, decoder.size) == (spec.channels, spec.size)
    assert same, "decoder: makes images of other channels or another size than the spec's"


def loads(subject: DatasetSubject) -> None:
    """`load` returns at least the splits "train" and "test"."""
    if subject.first.raised is not None:
        raise subject.first.raised
    missing = [name for name in ("train", "test") if name not in subject.first.splits]
    assert not missing, f"there is no split {missing[0]!r}"


def image_shapes(subject: DatasetSubject) -> None:
    """Images are bytes [N, C, H, W] of the spec's channels and size."""
    for name, split in subject.first.reached().splits.items():
        spec = subject.dataset.spec
        shape = [len(split.labels), spec.channels, spec.size, spec.size]
        assert split.images.dtype == torch.uint8, f"{name}: images are {split.images.dtype}, not torch.uint8"
        assert list(split.images.shape) == shape, f"{name}: images {list(split.images.shape)}, not {shape}"


def split_labels(subject: DatasetSubject) -> None:
    """Labels are int64 among the classes; −1 only in "train", of a set whose spec says `unlabelled`."""
    for name, split in subject.first.reached().splits.items():
        spec = subject.dataset.spec
        lowest = -1 if name == "train" and spec.unlabelled else 0
        assert split.labels.dtype == torch.int64, f"{name}: labels are {split.labels.dtype}, not torch.int64"
        assert int(split.labels.min()) >= lowest, f"{name}: a label below {lowest}"
        assert int(split.labels.max()) < spec.num_classes, f"{name}: a label beyond the classes"


def sample_ids(subject: DatasetSubject) -> None:
    """Where images have names, each has one of its own."""
    for name, split in subject.first.reached().splits.items():
        if split.ids is not None:
            assert len(split.ids) == len(split.labels), f"{name}: there is not one id for each image"
            assert len(set(split.ids)) == len(split.ids), f"{name}: two images have one id"


def presence(subject: DatasetSubject) -> None:
    """`present` says without reading it what reading it finds: that it is there, and how many images."""
    counts = {name: len(split.labels) for name, split in subject.first.reached().splits.items()}
    said = subject.dataset.present(subject.root)
    assert said.problem is None, f"`present` says that it is not there: {said.problem}"
    assert said.splits in (None, counts), f"`present` counts {said.splits}, and there are {counts}"


def folder_untouched(subject: DatasetSubject) -> None:
    """Reading makes, changes and removes nothing in the data folder; it may write into `cache` alone."""
    subject.first.reached()
    names = sorted(subject.written)
    assert not names, f"writes into the data folder: {listed(names)}"


DATASET_LAWS = (
    Law("initialise", initialise, "let the constructor only keep its parameters; files are read in `load`"),
    Law(
        "spec",
        spec_is_known,
        "correct `spec`: a mean and a std for each channel, of images in [0, 1], and a name for each of two "
        "classes or more",
    ),
    Law(
        "loads",
        loads,
        'return {"train": Split(…), "test": Split(…)} from `load`; raise DataError where files are missing',
    ),
    Law("shapes", image_shapes, "return uint8 [N, C, H, W] of `spec.channels` and `spec.size`"),
    Law(
        "labels",
        split_labels,
        "return int64 labels from 0 to num_classes − 1; −1 needs `unlabelled` in the spec",
    ),
    Law("ids", sample_ids, "give each image of a split a name of its own, or ids=None"),
    Law("present", presence, "let `present` look for the same files as `load`, and count what that returns"),
    Law("same again", same_seed, "read in a fixed order: sort what folders list, and draw nothing"),
    Law("folder untouched", folder_untouched, "write into `cache` alone, and nothing where it is None"),
    Law(
        "no global RNG",
        no_global_draws,
        "draw made-up images from a generator of its own",
    ),
)


def try_dataset(make: Callable[[], Dataset], root: Path) -> list[Finding]:
    """Every law. Where its files are not there, those that need them are not applicable."""
    return findings_of("", DATASET_LAWS, DatasetSubject(make, root))


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
