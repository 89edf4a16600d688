"""`predictions.npz`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lpa3bench.errors import DataError
from lpa3bench.training.predictions import (
    LONGEST_WORD,
    Predictions,
    StoredPredictions,
    read_predictions,
    write_predictions,
)
from lpa3bench.training.training_data import Places


def made(seed: int, images: int = 7) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    return Predictions(torch.rand(images, 3, generator=generator).softmax(1), torch.arange(images) % 3)


def same(one: Predictions, other: Predictions) -> bool:
    return torch.equal(one.probs, other.probs) and torch.equal(one.labels, other.labels)


def test_what_is_written_is_read_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    stored = StoredPredictions({"val": made(0, 5), "test": made(1)}, {"val": made(2, 5), "test": made(3)})
    write_predictions(path, stored)
    with np.load(path) as file:
        assert set(file.files) == {
            "val/probs", "val/labels", "test/probs", "test/labels", "test/correct",
            "val_selected/probs", "test_selected/probs",
        }  # fmt: skip
        assert file["test/probs"].dtype == np.float32
        assert file["test/correct"].tolist() == stored.last["test"].correct.tolist()
    read = read_predictions(path)
    assert read is not None
    for found, expected in ((read.last, stored.last), (read.selected, stored.selected)):
        assert found.keys() == expected.keys()
        assert all(same(found[split], expected[split]) for split in expected)


def test_it_says_which_images_they_are_and_what_classes_are_called(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    ids = tuple(f"train/cät/{place}.png" for place in range(5))
    places = {
        "val": Places(torch.tensor([8, 1, 0, 3, 2]), ids, torch.tensor([0, 1, 2, 0, 0])),
        "test": Places(torch.arange(7)),
    }
    names = ("cät", "=dog", "a b")
    write_predictions(path, StoredPredictions({"val": made(0, 5), "test": made(1)}, {}, places, names))
    with np.load(path) as file:  # as anybody reads it
        assert file["val/ids"].tolist() == [*ids]
        assert file["class_names"].tolist() == [*names]
        assert file["val/clean_labels"].tolist() == [0, 1, 2, 0, 0]
        assert "test/ids" not in file.files
    read = read_predictions(path)
    assert read is not None
    assert (read.class_names, read.places["val"].ids, read.places["test"].ids) == (names, ids, None)
    assert read.places["val"].index.tolist() == [8, 1, 0, 3, 2]
    assert read.places["val"].clean is not None
    assert read.places["test"].clean is None


def test_of_a_very_long_name_the_end_stays_so_that_the_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    count = 20_000
    ids = (*(f"{place}.png" for place in range(count - 1)), f"{'x' * 4000}/last.png")
    stored = StoredPredictions({"test": made(1, count)}, {}, {"test": Places(torch.arange(count), ids)})
    write_predictions(path, stored)
    read = read_predictions(path)
    assert read is not None
    found = read.places["test"].ids
    assert found is not None
    assert found[:-1] == ids[:-1]
    assert found[-1] == f"…{ids[-1][1 - LONGEST_WORD :]}"


@pytest.mark.parametrize(
    "more",
    [
        {"test/index": np.arange(6)},
        {"test/index": np.arange(7), "test/ids": np.array(["a"] * 6)},
        {"test/index": np.arange(7), "test/clean_labels": np.zeros(6, int)},
        {"class_names": np.array(["a", "b"])},
        {"test/labels": np.full(7, 99)},
        {"test/labels": np.full(7, -1)},
    ],
)
def test_what_does_not_fit_the_predictions_is_damage(tmp_path: Path, more: dict[str, Any]) -> None:
    path = tmp_path / "predictions.npz"
    arrays = {"test/probs": made(1).probs.numpy(), "test/labels": made(1).labels.numpy()}
    np.savez_compressed(path, **{**arrays, **more})
    with pytest.raises(DataError, match=r"predictions\.npz: damaged \("):
        read_predictions(path)


def test_without_a_validation_split_there_is_the_test_split_alone(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    write_predictions(path, StoredPredictions({"test": made(1)}, {}))
    read = read_predictions(path)
    assert read is not None
    assert (list(read.last), list(read.selected)) == (["test"], [])


def test_no_file_and_an_older_one_hold_nothing_to_score(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    assert read_predictions(path) is None
    np.savez_compressed(path, probs=np.zeros((7, 3), np.float16), correct=np.zeros(7, bool))
    assert read_predictions(path) is None


@pytest.mark.parametrize("damage", ["torn", "no zip", "other lengths", "objects"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "predictions.npz"
    write_predictions(path, StoredPredictions({"test": made(1)}, {}))
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "no zip":
        path.write_bytes(b"nothing")
    elif damage == "other lengths":
        np.savez_compressed(path, **{"test/probs": np.zeros((7, 3)), "test/labels": np.zeros(6)})
    else:
        np.savez_compressed(path, **{"test/probs": np.array([{}]), "test/labels": np.zeros(1)})
    with pytest.raises(DataError, match=r"predictions.npz: damaged"):
        read_predictions(path)
