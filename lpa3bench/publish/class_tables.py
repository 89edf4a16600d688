"""What a finished run made of each class of the test split: a table and a confusion matrix for W&B."""

from __future__ import annotations

from pathlib import Path

from lpa3bench.publish.wandb_run import WandbTable
from lpa3bench.records import Record

PER_CLASS, CONFUSION = "test/per_class", "test/confusion_matrix"
CONFUSION_CHART = "wandb/confusion_matrix/v1"
CONFUSION_COLUMNS = ("Actual", "Predicted", "nPredictions")
"""As that chart of W&B's calls its fields."""


def class_tables(predictions: Path, record: Record) -> dict[str, WandbTable]:
    """Both after the last epoch, by key; without its predictions no more than a run's record tells.

    Args:
        predictions: the run's `predictions.npz`.

    Raises:
        DataError: it is damaged.
    """
    shares = record.data.per_class.shares
    names = record.data.per_class.names or tuple(map(str, range(len(shares))))
    counts = _confusion(predictions, record)
    if counts is None:
        rows = tuple(zip(names, shares, strict=True))
        return {PER_CLASS: WandbTable(columns=("class", "accuracy"), data=rows)}
    predicted = [sum(column) for column in zip(*counts, strict=True)]
    per_class = tuple(
        (name, sum(row), _share(row[place], sum(row)), total, _share(row[place], total))
        for place, (name, row, total) in enumerate(zip(names, counts, predicted, strict=True))
    )
    columns = ("class", "images", "accuracy", "predicted", "precision")
    pairs = tuple(
        (actual, taken_for, count)
        for actual, row in zip(names, counts, strict=True)
        for taken_for, count in zip(names, row, strict=True)
    )
    return {
        PER_CLASS: WandbTable(columns=columns, data=per_class),
        CONFUSION: WandbTable(columns=CONFUSION_COLUMNS, data=pairs, chart=CONFUSION_CHART),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _confusion(path: Path, record: Record) -> list[list[int]] | None:
    """Test images by their class and the class predicted; None where nothing of this very run's is stored."""
    if not path.exists():
        return None
    from lpa3bench.ops import count_pairs
    from lpa3bench.training.predictions import read_predictions

    stored = read_predictions(path)
    if stored is None or stored.last["test"].correct.tolist() != record.correct:
        return None
    probs, labels = stored.last["test"]
    if probs.shape[1] != len(record.data.per_class.shares):
        return None
    counts: list[list[int]] = count_pairs(labels, probs.argmax(1), probs.shape[1]).tolist()
    return counts
