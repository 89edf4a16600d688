"""What W&B is to hold of a run's classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.wandb_runs import made_run, predict

from lpa3bench.errors import DataError
from lpa3bench.publish.class_tables import class_tables
from lpa3bench.records import read_record


def test_classes_and_what_they_were_taken_for(tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    predict(folder)
    found = class_tables(folder / "predictions.npz", read_record(folder / "result.json"))
    per_class, matrix = found["test/per_class"], found["test/confusion_matrix"]
    assert per_class.columns == ("class", "images", "accuracy", "predicted", "precision")
    assert per_class.data == (("0", 5, 1.0, 6, 5 / 6), ("1", 5, 0.8, 4, 1.0))
    assert matrix.data == (("0", "0", 5), ("0", "1", 0), ("1", "0", 1), ("1", "1", 4))
    assert matrix.chart == "wandb/confusion_matrix/v1"


def test_predictions_of_no_other_run_are_shown(tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    record, stored = read_record(folder / "result.json"), folder / "predictions.npz"
    alone = class_tables(stored, record)
    assert {key: table.columns for key, table in alone.items()} == {"test/per_class": ("class", "accuracy")}
    predict(folder, [False, *[True] * 9])
    assert class_tables(stored, record) == alone
    stored.write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"predictions\.npz: damaged"):
        class_tables(stored, record)


def test_predictions_of_another_number_of_classes_are_no_matrix(tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    predict(folder)
    stored = folder / "predictions.npz"
    arrays = dict(np.load(stored))
    probs = arrays["test/probs"]
    arrays["test/probs"] = np.concatenate([probs, np.zeros_like(probs[:, :1])], 1)
    np.savez(stored, **{name: array for name, array in arrays.items() if name != "class_names"})
    assert {*class_tables(stored, read_record(folder / "result.json"))} == {"test/per_class"}
