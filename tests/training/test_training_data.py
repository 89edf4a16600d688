"""From a data set and labels to what a run trains and is scored on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lpa3bench.api import (
    Augmenter,
    Context,
    DatasetSpec,
    LabelContext,
    Labels,
    LabelSet,
    Split,
    View,
    WeakView,
)
from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import ConfigError, DataError, PluginError
from lpa3bench.testing import COUNT, SPEC, Bystander, TinyNet, TinySet
from lpa3bench.training.training_data import TrainingData, prepare

CPU = torch.device("cpu")
EVERYTHING = torch.arange(COUNT)


class Shuffled(Labels):
    """Labels that tell which image they belong to no more."""

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        given = clean[ctx.draws.permutation(len(clean))]
        clean.fill_(0)  # a plugin's own copy, to spoil as it likes
        return LabelSet(given, torch.ones_like(given, dtype=torch.bool), {"kind": "Shuffled"})


class Half(Labels):
    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        return LabelSet(clean, torch.arange(len(clean)) < len(clean) // 2, {})


class Made(Labels):
    """Returns what it is told to, or raises it."""

    def __init__(self, made: Any) -> None:
        self.made = made

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        if isinstance(self.made, Exception):
            raise self.made
        given, labelled = self.made
        return LabelSet(given, labelled, {})


class Still(Augmenter):
    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(x, torch.arange(len(x)))


class OtherTask(Bystander):
    slots = ("view",)


class WithVal(TinySet):
    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        return super().load(root) | {"val": self._split(7)}


class Damaged(TinySet):
    def __init__(self, **splits: Split) -> None:
        self.splits = splits

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        return super().load(root) | self.splits


def prepared(*, seed: int = 0, limit: int | None = None, **changed: Any) -> TrainingData:
    experiment = Experiment(task=Bystander(), dataset=TinySet(), backbone=TinyNet, epochs=1)
    return prepare(replace(experiment, **changed), root=Path(), seed=seed, device=CPU, limit_to=limit)


def images(data: TrainingData, split: str | None = None) -> Tensor:
    store = data.scored[split].images if split else data.store
    return (store.plain(torch.arange(len(store))) * 255).round().to(torch.uint8)


@given(st.integers(0, 3), st.integers(0, COUNT - 1), st.one_of(st.none(), st.integers(1, COUNT)))
@settings(max_examples=25)
def test_every_image_keeps_its_label_wherever_it_goes(seed: int, holdout: int, limit: int | None) -> None:
    train, test = TinySet().load(Path()).values()
    data = prepared(seed=seed, limit=limit, holdout=holdout, labels=Shuffled())
    given = data.label_set.given
    assert len(given) == COUNT, "labels are made for the whole training split"
    assert torch.equal(images(data), train.images[data.index])
    assert torch.equal(data.labels.given, given[data.index])
    scored = [(test.images == image).flatten(1).all(1).nonzero().item() for image in images(data, "test")]
    assert scored == sorted({*scored})
    assert len(scored) == min(limit or len(test.labels), len(test.labels)), "--limit limits scoring too"
    assert torch.equal(data.scored["test"].labels, test.labels[scored])
    assert data.scored["test"].places is not None
    assert data.scored["test"].places.index.tolist() == scored
    assert set(data.scored) == ({"test", "val"} if holdout else {"test"})
    if holdout:
        held = [(train.images == image).flatten(1).all(1).nonzero().item() for image in images(data, "val")]
        assert len(held) == min(limit or holdout, holdout)
        assert not set(held) & set(data.index.tolist())
        assert torch.equal(data.scored["val"].labels, given[held]), "with the given labels, not the clean"
        places = data.scored["val"].places
        assert places is not None
        assert (places.index.tolist(), places.ids) == (held, None)
        assert places.clean is not None, "which are known all the same"
        assert torch.equal(places.clean, train.labels[held])
    left = COUNT - holdout
    assert len(data.index) == (left if limit is None else min(limit, left))


@pytest.mark.parametrize(
    "changed",
    [
        {"task": OtherTask()},
        {"task": OtherTask(batch_size=4), "view": Still()},
        {"positives": Still(), "epochs": 9, "weak": WeakView(flip=False, pad=2)},
    ],
)
def test_every_method_gets_the_same(changed: dict[str, Any]) -> None:
    given = {"holdout": 9, "limit": 20, "labels": Shuffled()}
    one, other = prepared(**given), prepared(**given, **changed)
    assert torch.equal(one.index, other.index)
    assert torch.equal(one.label_set.given, other.label_set.given)
    assert torch.equal(images(one, "val"), images(other, "val"))
    assert (one.data_hash, one.label_hash) == (other.data_hash, other.label_hash)
    another = prepared(**given, seed=1)
    assert another.data_hash == one.data_hash == prepared().data_hash
    assert another.label_hash != one.label_hash
    assert not torch.equal(images(another, "val"), images(one, "val"))
    assert torch.equal(images(prepared(limit=3), "test"), images(prepared(limit=3, seed=1), "test"))
    assert not torch.equal(prepared(limit=20).index, prepared(limit=20, seed=1).index)


def test_labels_do_not_depend_on_what_is_set_apart() -> None:
    plain, parted = prepared(labels=Shuffled()), prepared(labels=Shuffled(), holdout=9, limit=20)
    assert torch.equal(plain.label_set.given, parted.label_set.given)
    assert plain.label_hash != parted.label_hash, "what is trained on belongs to it"


def test_without_labels_the_data_sets_own_are_taken() -> None:
    data = prepared()
    assert torch.equal(data.labels.given, TinySet().load(Path())["train"].labels)
    assert bool(data.labels.labelled.all())
    assert torch.equal(data.index, EVERYTHING)


def test_the_weak_view_in_force_is_the_configs() -> None:
    weak = WeakView(flip=False, pad=2, mode="constant")
    data = prepared(weak=weak)
    assert data.spec.weak == weak == data.store.weak_view
    assert prepared().spec.weak == SPEC.weak
    assert data.scored["test"].images.weak_view.pad == 0


def test_a_validation_split_of_its_own_is_scored_and_not_carved_twice() -> None:
    data = prepared(dataset=WithVal())
    assert torch.equal(images(data, "val"), TinySet()._split(7).images)
    with pytest.raises(ConfigError, match="^run.holdout: Tiny has a validation split of its own"):
        prepared(dataset=WithVal(), holdout=5)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"holdout": COUNT}, "^run.holdout: Tiny has only 48 training images"),
        ({"holdout": 30, "labels": Half()}, "^run.holdout: needs labels on all training images"),
        ({"labels": Made(ValueError("rate: must be < 1"))}, "^run.labels: Made on Tiny: rate: must be < 1"),
        (
            {"labels": Made((EVERYTHING[:5], EVERYTHING[:5] > 0))},
            "^run.labels: Made .*: made 5 labels for 48",
        ),
        (
            {"labels": Made((EVERYTHING, EVERYTHING < 0))},
            "^run.labels: Made .*: leaves no image labelled",
        ),
        (
            {"labels": Made((EVERYTHING, EVERYTHING >= 0))},
            "^run.labels: Made .*: labels must lie in 0 … 2",
        ),
        (
            {"labels": Made((-EVERYTHING, EVERYTHING < 2))},
            "^run.labels: Made .*: labels must lie in 0 … 2",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        prepared(**changed)


def test_labels_of_unlabelled_images_mean_nothing() -> None:
    data = prepared(labels=Made((EVERYTHING.where(EVERYTHING < 2, -1), EVERYTHING < 2)))
    assert int(data.labels.labelled.sum()) == 2


def test_a_limit_that_leaves_no_labelled_image_is_refused() -> None:
    """Of 48 images one has a label; some seeds leave it out."""
    refused = 0
    for seed in range(5):
        try:
            data = prepared(seed=seed, limit=24, labels=Made((EVERYTHING % 3, EVERYTHING == 7)))
            assert 7 in data.index
        except ConfigError as error:
            refused += 1
            assert (
                str(error) == "--limit 24: leaves no labelled image; few have a label, so leave --limit out"
            )
    assert 0 < refused < 5


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (Split(torch.zeros(4, 3, 8, 8), EVERYTHING[:4] % 3), r"Tiny: test images are torch.float32 \[4, 3"),
        (Split(torch.zeros(4, 3, 9, 9).byte(), EVERYTHING[:4] % 3), r"\[4, 3, 9, 9\], not .* \[4, 3, 8, 8\]"),
        (Split(torch.zeros(5, 3, 8, 8).byte(), EVERYTHING[:4] % 3), r"\[5, 3, 8, 8\], not .* \[4, 3, 8, 8\]"),
        (Split(torch.zeros(4, 3, 8, 8).byte(), EVERYTHING[:4]), r"Tiny: test labels do not lie in 0 … 2"),
        (Split(torch.zeros(4, 3, 8, 8).byte(), -EVERYTHING[:4]), r"Tiny: test labels do not lie in 0 … 2"),
    ],
)
def test_a_data_set_that_is_not_what_it_says_is_found(split: Split, said: str) -> None:
    with pytest.raises(DataError, match=said):
        prepared(dataset=Damaged(test=split))


@pytest.mark.parametrize(("missing", "said"), [("test", "no test split"), ("train", "no train split")])
def test_a_split_that_is_missing_is_found(missing: str, said: str) -> None:
    class Without(TinySet):
        def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
            return {name: split for name, split in super().load(root).items() if name != missing}

    with pytest.raises(DataError, match=f"^Tiny: there is {said}"):
        prepared(dataset=Without())


def test_plugins_that_fail_are_named() -> None:
    class Failing(TinySet):
        def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
            raise KeyError("pixels")

    with pytest.raises(PluginError, match=r"^Failing.load failed \(KeyError: 'pixels'\)"):
        prepared(dataset=Failing())
    with pytest.raises(PluginError, match=r"^Made.apply failed \(ZeroDivisionError"):
        prepared(labels=Made(ZeroDivisionError()))


def test_names_of_images_do_not_enter_the_hash_and_must_be_as_many() -> None:
    named = {
        name: Split(split.images, split.labels, tuple(map(str, range(len(split.labels)))))
        for name, split in TinySet().load(Path()).items()
    }
    assert prepared(dataset=Damaged(**named)).data_hash == prepared().data_hash
    data = prepared(dataset=Damaged(**named), holdout=9, limit=5)
    for scored in data.scored.values():
        assert scored.places is not None
        assert scored.places.ids == tuple(map(str, scored.places.index.tolist()))
    short = named["test"]._replace(ids=("0",))
    with pytest.raises(DataError, match=r"^Tiny: test has 1 ids for 48 images"):
        prepared(dataset=Damaged(test=short))


def test_the_hash_is_of_all_splits() -> None:
    other = TinySet()._split(9)
    hashes = {prepared(dataset=Damaged(**{name: other})).data_hash for name in ("train", "test", "val")}
    assert len(hashes | {prepared().data_hash}) == 4


def test_labels_are_told_the_data_folder_and_the_seed(tmp_path: Path) -> None:
    class Told(Labels):
        def apply(self, clean: torch.Tensor, ctx: LabelContext) -> LabelSet:
            everyone = torch.ones_like(clean, dtype=torch.bool)
            return LabelSet(clean, everyone, {"root": str(ctx.root), "seed": ctx.seed})

    experiment = Experiment(task=Bystander(), dataset=TinySet(), backbone=TinyNet, epochs=1, labels=Told())
    made = prepare(experiment, root=tmp_path, seed=7, device=torch.device("cpu"))
    assert made.label_set.info == {"root": str(tmp_path), "seed": 7}


def test_images_without_a_label_stay_so(tmp_path: Path) -> None:
    class Partly(TinySet):
        @property
        def spec(self) -> DatasetSpec:
            return replace(super().spec, unlabelled=True)

        def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
            splits = super().load(root)
            splits["train"].labels[:10] = -1
            return splits

    experiment = Experiment(task=Bystander(), dataset=Partly(), backbone=TinyNet, epochs=1)
    made = prepare(experiment, root=tmp_path, seed=0, device=torch.device("cpu"))
    assert made.labels.labelled.nonzero().flatten().tolist() == [*range(10, 48)]


def test_labels_whose_info_no_record_can_hold_are_named(tmp_path: Path) -> None:
    class Talkative(Labels):
        def apply(self, clean: torch.Tensor, ctx: LabelContext) -> LabelSet:
            return LabelSet(clean, torch.ones_like(clean, dtype=torch.bool), {"all": clean})

    experiment = Experiment(
        task=Bystander(), dataset=TinySet(), backbone=TinyNet, epochs=1, labels=Talkative()
    )
    with pytest.raises(PluginError, match=r"^Talkative\.apply: info must be plain numbers and strings"):
        prepare(experiment, root=tmp_path, seed=0, device=CPU)


def test_labels_whose_notes_are_no_lines_are_named(tmp_path: Path) -> None:
    class Wordy(Labels):
        def apply(self, clean: torch.Tensor, ctx: LabelContext) -> LabelSet:
            return LabelSet(clean, torch.ones_like(clean, dtype=torch.bool), {}, notes="one line")  # type: ignore[arg-type]

    experiment = Experiment(task=Bystander(), dataset=TinySet(), backbone=TinyNet, epochs=1, labels=Wordy())
    with pytest.raises(PluginError, match=r"^Wordy\.apply: notes must be lines, each a string"):
        prepare(experiment, root=tmp_path, seed=0, device=CPU)
