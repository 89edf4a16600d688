"""`predictions.npz`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lpa3bench.errors import DataError
from lpa3bench.training.predictions import (
    Predictions,
    StoredPredictions,
    read_predictions,
    write_predictions,
)


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
