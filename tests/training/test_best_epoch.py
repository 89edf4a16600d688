"""Which epoch is selected, and what `best.pt` keeps of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.small_runs import begin

from lpa3bench.records.summary import selected_epoch
from lpa3bench.testing import Bystander
from lpa3bench.training.best_epoch import save_best, selected_predictions
from lpa3bench.training.predictions import Predictions


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
    save_best(path, env, task, 2, predicted)
    kept = selected_predictions(path, 2, predicted)
    assert kept.keys() == {"val", "test"}
    for split, one in kept.items():
        assert torch.equal(one.probs, predicted[split].probs)
        assert torch.equal(one.labels, predicted[split].labels)
    state = torch.load(path, weights_only=True)
    assert state.keys() == {"epoch", "models", "task", "probs"}


def test_another_epochs_file_a_torn_one_and_none_give_nothing(
    tmp_path: Path, predicted: dict[str, Predictions]
) -> None:
    """The record is made all the same."""
    task, path = Bystander(), tmp_path / "best.pt"
    assert selected_predictions(path, 2, predicted) == {}
    save_best(path, begin(task), task, 2, predicted)
    assert selected_predictions(path, None, predicted) == {}
    assert selected_predictions(path, 1, predicted) == {}
    path.write_bytes(path.read_bytes()[:100])
    assert selected_predictions(path, 2, predicted) == {}
