"""Every registered plugin of ours keeps the laws of the conformance kit, the same as anybody's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lpa3bench import testing
from lpa3bench.errors import DataError
from lpa3bench.plugin import registry
from lpa3bench.types import SLOTS, SlotName

REGISTRY = registry.load_registry()
# Arguments with which a plugin is small enough, where its defaults are not or it has none.
SMALL: dict[str, dict[str, Any]] = {
    "FixMatch": {"batch_size": 8, "mu": 2, "steps_per_epoch": 3},
    "DivideMix": {"warmup_epochs": 1, "batch_size": 16},
    "PES": {"warmup_epochs": 1, "head_epochs": 1, "batch_size": 16},
    "Supervised": {"batch_size": 16},
    "Mixup": {"batch_size": 16},
    "MCorrection": {"batch_size": 16, "variant": "md_dyr_sh", "bootstrap_epoch": 1, "soft_epoch": 2},
    "ELR": {"batch_size": 16, "restart_epochs": 2},
    "SOP": {"batch_size": 16},
    "PCorrection": {"batch_size": 16, "correction_epoch": 1, "final_epoch": 2, "milestones": (2,)},
    "SymmetricNoise": {"rate": 0.4},
    "PairflipNoise": {"rate": 0.4},
    "AsymmetricNoise": {"rate": 0.4, "mapping": "cifar10"},
    "FewLabels": {"count": 20},
    "CIFARN": {"variant": "worse"},
    "Corrupted": {"of": REGISTRY.get("Digits").load()(), "kind": "fog"},  # type: ignore[union-attr]
    "Compose": {"augmenters": tuple(REGISTRY.get(n).load()() for n in ("RandAugment", "Cutout"))},  # type: ignore[union-attr]
}


SELECTING = ("LPA3", "LPA3Fast")


def names(kind: str) -> list[str]:
    return [entry.name for entry in REGISTRY.kind(kind)]


def make(name: str, **more: Any) -> Any:
    entry = REGISTRY.get(name)
    assert entry is not None
    return entry.load()(**(SMALL.get(name, {}) | more))


def whole_batches(augmenter: str, slot: SlotName) -> dict[str, Any]:
    """What makes an augmenter that selects fit for a slot that needs a view of every image."""
    return {"ratio": 1.0, "domain": "main"} if augmenter in SELECTING and SLOTS[slot].every_row else {}


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("name", names("augmenters"))
def test_augmenter(name: str, slot: SlotName) -> None:
    whole = whole_batches(name, slot)
    if reason := make(name, **whole).unsupported(testing.SPEC, SLOTS[slot]):
        pytest.skip(f"{name} is not for this slot: {reason}")
    testing.check_augmenter(lambda: make(name, **whole), slot)


@pytest.mark.parametrize("name", names("backbones"))
def test_backbone(name: str) -> None:
    testing.check_backbone(lambda **given: make(name, **given))


@pytest.mark.parametrize("name", names("metrics"))
def test_metric(name: str) -> None:
    testing.check_metric(lambda: make(name))


@pytest.mark.parametrize("name", names("policies"))
def test_policy(name: str) -> None:
    testing.check_policy(lambda: make(name))
    testing.check_resume(lambda: make("FixMatch", policy=make(name)))


@pytest.mark.parametrize("name", names("tasks"))
def test_task(name: str) -> None:
    testing.check_task(lambda: make(name))


@pytest.mark.parametrize("augmenter", names("augmenters"))
@pytest.mark.parametrize(("task", "slot"), [(t, s) for t in names("tasks") for s in make(t).slots])
def test_every_task_resumes_with_every_augmenter(task: str, augmenter: str, slot: SlotName) -> None:
    if make(augmenter).soft_targets and slot not in make(task).soft_slots:
        pytest.skip(f"{task} cannot use targets of {augmenter}'s own in this slot")
    testing.check_resume(lambda: make(task), lambda: make(augmenter, **whole_batches(augmenter, slot)), slot)


@pytest.mark.parametrize("name", names("labels"))
def test_labels(name: str, tmp_path: Path) -> None:
    given, count = {}, 200
    if name == "FromFile":
        # It gives the labels that its user has for whatever image: here for those that the kit leaves theirs.
        np.save(tmp_path / "labels.npy", np.where(np.arange(200) % 2, -1, np.arange(200) % 7))
        given = {"path": str(tmp_path / "labels.npy")}
    elif name == "CIFARN":
        np.savez(tmp_path / "cifar10n.npz", clean_label=np.arange(200) % 10, worse_label=np.arange(200) % 7)
    elif name == "STL10Fold":
        count = 5000
        (tmp_path / "stl10_binary").mkdir()
        np.savetxt(
            tmp_path / "stl10_binary" / "fold_indices.txt", [np.arange(1000) + i for i in range(10)], "%d"
        )

    testing.check_labels(lambda: make(name, **given), count=count, root=tmp_path)


@pytest.mark.parametrize("name", names("datasets"))
def test_dataset(name: str, tmp_path: Path) -> None:
    root = Path(os.environ.get("LPA3BENCH_DATA", tmp_path))
    if name == "ChestMNIST":
        with pytest.raises(ValueError, match="multi-label"):
            make(name)
        return
    if name == "Images":
        images = {f"{split}_images": np.arange(4 * 64).reshape(4, 8, 8) % 251 for split in ("train", "test")}
        held = {name: array.astype(np.uint8) for name, array in images.items()}
        np.savez(tmp_path / "mine.npz", **held, train_labels=np.arange(4) % 2, test_labels=np.arange(4) % 2)
        testing.check_dataset(make(name, path=str(tmp_path / "mine.npz"), size=8), root)
        return
    dataset = make(name)
    try:
        dataset.load(root)
    except DataError as error:
        assert f"lpa3bench data get {name}" in str(error)
        pytest.skip(f"{name} is not in the folder that LPA3BENCH_DATA names")
    testing.check_dataset(dataset, root)


@pytest.mark.parametrize("kind", ["tasks", "augmenters", "backbones", "datasets", "labels", "policies"])
def test_something_is_registered(kind: str) -> None:
    assert names(kind)
