"""From a data set and labels on the disk to what a run trains and is scored on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from lpa3bench.api import DatasetSpec, LabelContext, LabelSet, Split, TrainLabels
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.data_summary import MOST_EXAMPLES, DataSummary
from lpa3bench.data.duplicates import count_duplicates, image_digests, name_duplicates
from lpa3bench.data.image_store import ImageStore
from lpa3bench.data.splits import data_hash, fingerprint, hold_out, limit
from lpa3bench.errors import ConfigError, DataError, PluginError, blamed
from lpa3bench.runtime.seeding import Draws, derive
from lpa3bench.types import SCORED, SPLITS, STILL

AT_CHANCE = 0.9
"""From this share of what labels in a random order get wrong, a file's order is in doubt."""


@dataclass(frozen=True, eq=False)
class Places:
    """Which images of the data set a split is scored on."""

    index: Tensor
    """int64 [N], on the CPU: places in the data set's split of that name, of held-out images in "train"."""
    ids: tuple[str, ...] | None = None
    """What they are called (`Split.ids`)."""
    clean: Tensor | None = None
    """int64 [N], on the CPU: their clean labels, where they are scored by the given ones."""

    @classmethod
    def of(cls, split: Split, index: Tensor, clean: Tensor | None = None) -> Places:
        ids = None if split.ids is None else tuple(split.ids[place] for place in index.tolist())
        return cls(index, ids, clean)

    def chosen(self, some: Tensor) -> Places:
        """Of these, by their places here."""
        ids = None if self.ids is None else tuple(self.ids[place] for place in some.tolist())
        return Places(self.index[some], ids, None if self.clean is None else self.clean[some])


@dataclass(frozen=True)
class Scored:
    """A split to be scored on."""

    images: ImageStore
    labels: Tensor
    """int64 [N], on the device: those that it is scored by."""
    places: Places | None = None


@dataclass(frozen=True)
class TrainingData:
    """What a run trains and is scored on."""

    spec: DatasetSpec
    """With the weak view in force."""
    store: ImageStore
    labels: TrainLabels
    label_set: LabelSet
    """The labels of the data set's whole training split."""
    index: Tensor
    """int64 [N], the places in that split that are trained on."""
    scored: dict[str, Scored]
    """ "test", and "val" where the data set or `run.holdout` gives one."""
    data_hash: str
    label_hash: str
    summary: DataSummary
    """Of the whole data set, held-out images apart."""
    warnings: tuple[str, ...] = ()
    """What is odd about the files; a run starts with these lines and its record keeps them."""

    def told(self) -> tuple[str, ...]:
        """What the data and the labels are, where they are not the same for everybody, a line each."""
        return (*self.summary.lines(self.spec), *self.label_set.notes)


def prepare(
    experiment: Experiment,
    *,
    root: Path,
    seed: int,
    device: torch.device,
    cache: Path | None = None,
    limit_to: int | None = None,
) -> TrainingData:
    """Load the data set, make the labels, set the held-out images apart, and put all on the device.

    Labels, held-out images and the limited sets depend on the seed alone, so every method gets the same.

    Args:
        root: the data folder.
        limit_to: at most so many images to train on, and at most so many of each split to score on.
        cache: where the data set may keep what it makes of its files; None: nothing is written.

    Raises:
        DataError: the data set is missing, damaged, or not what its spec says.
        ConfigError: the labels, the weak view or `run.holdout` do not fit the data set.
    """
    name = type(experiment.dataset).__name__
    with blamed(f"{name}.load"):
        splits = experiment.dataset.load(root, cache=cache)
    stored, spec = experiment.dataset.spec, experiment.spec  # what is measured on the images is known now
    if missing := {"train", "test"} - splits.keys():
        raise DataError(f"{spec.name}: there is no {' and no '.join(sorted(missing))} split")
    for name, split in splits.items():
        _check(stored, name, split)
    train = splits["train"]
    draws = Draws(derive(seed, "labels"))
    ctx = LabelContext(
        num_classes=spec.num_classes,
        draws=draws,
        root=root,
        seed=seed,
        ids=train.ids,
        class_names=spec.class_names,
    )
    label_set = _labels(experiment, train.labels, spec, ctx)
    index = torch.arange(len(train.labels))
    scored = {name: splits[name] for name in SCORED if name in splits}
    places = {name: Places.of(split, torch.arange(len(split.labels))) for name, split in scored.items()}
    held = None
    if experiment.holdout:
        if "val" in splits:
            raise ConfigError(f"run.holdout: {spec.name} has a validation split of its own; leave it 0")
        if experiment.holdout >= len(index):
            raise ConfigError(f"run.holdout: {spec.name} has only {len(index)} training images")
        index, held = hold_out(len(index), experiment.holdout, Draws(derive(seed, "holdout")))
        if not bool(label_set.labelled[held].all()):
            raise ConfigError("run.holdout: needs labels on all training images, and here only some have one")
        scored["val"] = Split(train.images[held], label_set.given[held])
        places["val"] = Places.of(train, held, clean=train.labels[held])
    summary = _summary(experiment, root, splits, index, held)
    if limit_to is not None:
        index = index[limit(len(index), limit_to, Draws(derive(seed, "limit")))]
        for name, split in scored.items():  # of a data set's own split the same images with every seed
            some = limit(len(split.labels), limit_to, Draws(derive(0, "limit", name)))
            scored[name] = Split(split.images[some], split.labels[some])
            places[name] = places[name].chosen(some)
    if not bool(label_set.labelled[index].any()):
        raise ConfigError(
            f"--limit {limit_to}: leaves no labelled image; few have a label, so leave --limit out"
        )
    return TrainingData(
        spec=spec,
        store=training_store(train.images[index], spec, device, experiment.resize),
        labels=TrainLabels(label_set.given[index].to(device), label_set.labelled[index].to(device)),
        label_set=label_set,
        index=index,
        scored={
            name: Scored(
                ImageStore(split.images, STILL, device, resize=experiment.resize),
                split.labels.to(device),
                places[name],
            )
            for name, split in scored.items()
        },
        data_hash=data_hash(splits),
        label_hash=fingerprint([label_set.given, label_set.labelled, index]),
        summary=summary,
        warnings=(*_oddities(experiment, spec, label_set, root), *summary.warnings(spec)),
    )


def _summary(
    experiment: Experiment, root: Path, splits: Mapping[str, Split], index: Tensor, held: Tensor | None
) -> DataSummary:
    """Of all that a run without `--limit` trains and is scored on.

    Args:
        index: int64, the training images.
        held: int64, those of them that are held out for validation.
    """
    labels = {name: splits[name].labels for name in SPLITS if name in splits}
    digests = {name: image_digests(splits[name].images) for name in labels}
    names = {name: ids for name in labels if (ids := splits[name].ids) is not None}
    if held is not None:
        for name, places in {"val": held, "train": index}.items():
            labels[name] = splits["train"].labels[places]
            digests[name] = [digests["train"][place] for place in places.tolist()]
        if (ids := names.get("train")) is not None:
            names |= {"val": _chosen(ids, held), "train": _chosen(ids, index)}
    with blamed(f"{type(experiment.dataset).__name__}.found"):
        found = msgspec.convert(experiment.dataset.found(root), dict[str, dict[str, int]])
    return DataSummary(
        images={
            name: torch.bincount(known[known >= 0], minlength=experiment.spec.num_classes).tolist()
            for name, known in labels.items()
        },
        duplicates=count_duplicates(digests),
        examples=name_duplicates(digests, names, most=MOST_EXAMPLES),
        found=found,
    )


def _chosen(ids: Sequence[str], places: Tensor) -> tuple[str, ...]:
    return tuple(ids[place] for place in places.tolist())


def _oddities(experiment: Experiment, spec: DatasetSpec, label_set: LabelSet, root: Path) -> Iterator[str]:
    with blamed(f"{type(experiment.dataset).__name__}.unofficial"):
        if files := experiment.dataset.unofficial(root):
            yield f"the data are not the official {spec.name} ({files})"
    with blamed(f"{type(experiment.dataset).__name__}.warnings"):
        yield from (f"{spec.name}: {line}" for line in experiment.dataset.warnings(root))
    made = label_set.info
    wrong = made.get("realised_rate") if made.get("nominal_rate", 0) is None else None  # not asked for
    if isinstance(wrong, float) and wrong > AT_CHANCE * (1 - 1 / spec.num_classes):
        source = made.get("file", type(experiment.labels).__name__)
        yield (
            f"{100 * wrong:.0f} % of the labels of {source} are not those of {spec.name}, as where a file is "
            "in another order than the images"
        )


def training_store(
    images: Tensor, spec: DatasetSpec, device: torch.device, resize: int | None = None
) -> ImageStore:
    """The training images with the weak view in force, views resized to that side.

    Raises:
        ConfigError: the weak view does not fit the images.
    """
    try:
        return ImageStore(images, spec.weak, device, resize=resize)
    except ValueError as error:
        raise ConfigError(f"run.weak: WeakView on {spec.name}: {error}") from error


def _labels(experiment: Experiment, clean: Tensor, spec: DatasetSpec, ctx: LabelContext) -> LabelSet:
    if experiment.labels is None:
        return LabelSet(clean.clone(), clean >= 0, {"kind": "Clean"})
    name = type(experiment.labels).__name__
    try:
        with blamed(f"{name}.apply"):
            made = experiment.labels.apply(clean.clone(), ctx)
    except PluginError as error:
        if isinstance(error.__cause__, ValueError):  # how a plugin says that it does not fit
            raise ConfigError(f"run.labels: {name} on {spec.name}: {error.__cause__}") from error
        raise
    if made.given.shape != clean.shape or made.labelled.shape != clean.shape:
        raise ConfigError(
            f"run.labels: {name} on {spec.name}: made {len(made.given)} labels for {len(clean)} images"
        )
    try:
        json.dumps(made.info)
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"{name}.apply: info must be plain numbers and strings, for the record ({error})"
        ) from error
    if isinstance(made.notes, str) or not all(isinstance(line, str) for line in made.notes):
        raise PluginError(f"{name}.apply: notes must be lines, each a string; they are {made.notes!r}")
    if not bool(made.labelled.any()):
        raise ConfigError(f"run.labels: {name} on {spec.name}: leaves no image labelled")
    known = made.given[made.labelled]
    if int(known.min()) < 0 or int(known.max()) >= spec.num_classes:
        raise ConfigError(f"run.labels: {name} on {spec.name}: labels must lie in 0 … {spec.num_classes - 1}")
    return made


def _check(spec: DatasetSpec, name: str, split: Split) -> None:
    """A data set that is not what it says would fail much later, and unreadably."""
    expected = (len(split.labels), spec.channels, spec.size, spec.size)
    if split.images.dtype != torch.uint8 or tuple(split.images.shape) != expected:
        raise DataError(
            f"{spec.name}: {name} images are {split.images.dtype} {list(split.images.shape)}, "
            f"not torch.uint8 {list(expected)}"
        )
    lowest = -1 if spec.unlabelled and name == "train" else 0
    if int(split.labels.min()) < lowest or int(split.labels.max()) >= spec.num_classes:
        raise DataError(f"{spec.name}: {name} labels do not lie in 0 … {spec.num_classes - 1}")
    if split.ids is not None and len(split.ids) != len(split.labels):
        raise DataError(f"{spec.name}: {name} has {len(split.ids)} ids for {len(split.labels)} images")
