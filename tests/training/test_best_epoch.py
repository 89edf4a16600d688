"""Which epoch is selected, and what `best.pt` keeps of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.small_runs import begin

from lpa3bench.errors import DamagedWarning
from lpa3bench.records.schema import RunIdentity
from lpa3bench.records.summary import selected_epoch
from lpa3bench.runtime.state import load_state, save_state
from lpa3bench.testing import Bystander, assert_same
from lpa3bench.training.best_epoch import load_best, save_best, selected_predictions
from lpa3bench.training.predictions import Predictions
from lpa3bench.training.saved_forms import whose

OWN, OTHER = (
    RunIdentity(config={"run.epochs": epochs}, data="d", labels=None, limit=None, numerics=1, plugins={})
    for epochs in ("3", "5")
)
OWNER: dict[str, Any] = {"identity": OWN, "seed": 7}


def best_so_far(scores: list[float | None], *, higher_is_better: bool) -> list[int | None]:
    """The selected epoch after each epoch."""
    curve: list[dict[str, float | None]] = []
    found = []
    for score in scores:
        curve.append({"test/x": 0.5, "val/x": score})
        found.append(selected_epoch(curve, "x", higher_is_better=higher_is_better))
    return found


def test_the_first_of_equals() -> None:
    scores: list[float | None] = [0.0, 0.0, 0.4, 0.3, 0.4, 0.5, 0.2]
    assert best_so_far(scores, higher_is_better=True) == [0, 0, 2, 2, 2, 5, 5]


def test_where_lower_is_better_the_lowest() -> None:
    scores: list[float | None] = [2.0, 1.5, 1.5, 1.75, 0.5]
    assert best_so_far(scores, higher_is_better=False) == [0, 1, 1, 1, 4]


def test_by_a_score_that_is_at_times_undefined() -> None:
    assert best_so_far([None, 0.6, None, 0.7], higher_is_better=True) == [None, 1, 1, 3]


def test_without_validation_none() -> None:
    assert selected_epoch([{"test/x": 0.5}], "x", higher_is_better=True) is None


@pytest.fixture
def predicted() -> dict[str, Predictions]:
    labels = torch.arange(6) % 3
    return {split: Predictions(torch.rand(6, 3).softmax(1), labels) for split in ("val", "test")}


def test_weights_and_predictions_are_of_one_epoch(tmp_path: Path, predicted: dict[str, Predictions]) -> None:
    task = Bystander()
    env = begin(task)
    path = tmp_path / "best.pt"
    save_best(path, env, task, 2, predicted, **OWNER)
    kept = selected_predictions(path, 2, predicted, **OWNER)
    assert kept.keys() == {"val", "test"}
    for split, one in kept.items():
        assert torch.equal(one.probs, predicted[split].probs)
        assert torch.equal(one.labels, predicted[split].labels)
    state = torch.load(path, weights_only=True)
    assert state.keys() == {"epoch", "models", "task", "probs", "identity", "seed"}
    assert_same(load_best(path, **OWNER), state)


def test_of_another_epoch_or_of_none_it_says_nothing(
    tmp_path: Path, predicted: dict[str, Predictions]
) -> None:
    task, path = Bystander(), tmp_path / "best.pt"
    save_best(path, begin(task), task, 2, predicted, **OWNER)
    assert selected_predictions(path, None, predicted, **OWNER) == {}
    assert selected_predictions(path, 1, predicted, **OWNER) == {}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "is gone"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "damaged .it is torn, or no archive"),
        (flip, "damaged .its digest is not that of what it holds"),
        (lambda path: save_state(path, {"epoch": 2}), "damaged .Object missing required field `models`"),
        (lambda path: save_state(path, {**load_state(path), "epoch": "2"}), "damaged .Expected `int`"),
        (lambda path: save_state(path, {**load_state(path), "seed": 8}), "is of another run .seed: 8 → 7"),
        (
            lambda path: save_state(path, {**load_state(path), **whose(OTHER, 7)}),
            "is of another run .run.epochs: 5 → 3",
        ),
        (
            lambda path: save_state(path, {**load_state(path), "probs": {"test": torch.rand(5, 3)}}),
            "damaged .its predictions are of other images",
        ),
        (
            lambda path: save_state(path, {**load_state(path), "probs": {"test": [1]}}),
            "damaged .its predictions",
        ),
    ],
)
def test_what_cannot_be_believed_is_told_and_the_record_is_made_without_it(
    tmp_path: Path, predicted: dict[str, Predictions], spoil: Callable[[Path], None], says: str
) -> None:
    task, path = Bystander(), tmp_path / "best.pt"
    save_best(path, begin(task), task, 2, predicted, **OWNER)
    spoil(path)
    told = rf"best\.pt: {says}.*; predictions\.npz says nothing of the selected epoch"
    with pytest.warns(DamagedWarning, match=told):
        assert selected_predictions(path, 2, predicted, **OWNER) == {}
