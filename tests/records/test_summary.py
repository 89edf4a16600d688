"""The record of a finished run."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.records import PROTOCOL_VERSION, compose, metrics, pack, unpack

shares = st.integers(0, 20).map(lambda k: k / 20)
"""Few values, so that epochs are often equally good."""
lengths = st.sampled_from([1, 2, 19, 20, 21, 40])
curves = lengths.flatmap(lambda n: st.lists(st.tuples(shares, shares), min_size=n, max_size=n))


@given(st.lists(st.booleans(), max_size=70))
def test_bits_come_back_as_they_went_in(correct: list[bool]) -> None:
    packed = json.loads(json.dumps(pack(correct)))
    assert unpack(packed) == correct
    # what a reader without this package would do
    octets = zlib.decompress(base64.b64decode(packed["bits"]))
    assert octets == np.packbits(np.array(correct, dtype=bool)).tobytes()


@given(curves)
def test_metrics_of_any_curve(curve: list[tuple[float, float]]) -> None:
    tests, vals = zip(*curve, strict=True)
    found, flags = metrics([{"test": test, "val": val} for test, val in curve])
    assert list(found) == [
        "last", "mean_last_10", "mean_last_20", "median_last_20", "val_selected", "oracle_best",
    ]  # fmt: skip
    assert found["last"] == tests[-1]
    assert found["oracle_best"] == max(tests)
    assert found["val_selected"] == tests[vals.index(max(vals))], "the first of equals"
    averages = {"mean_last_10": np.mean, "mean_last_20": np.mean, "median_last_20": np.median}
    for name, average in averages.items():
        length = int(name[-2:])
        expected = pytest.approx(float(average(tests[-length:]))) if len(curve) >= length else None
        assert found[name] == expected
    short = [name for name in averages if found[name] is None]
    why = f"null because the run has only {len(curve)} epochs: "
    assert flags == ([why + ", ".join(short)] if short else [])


def test_selection_by_auc_takes_that_epoch_for_both_scores() -> None:
    rows = [
        {"test": 0.5, "val": 0.9, "test_auc": 0.6, "val_auc": 0.7},
        {"test": 0.7, "val": 0.1, "test_auc": 0.8, "val_auc": 0.9},
        {"test": 0.9, "val": 0.5, "test_auc": 0.9, "val_auc": 0.9},
        {"test": 0.4, "val": 0.5, "test_auc": 0.5, "val_auc": None},
    ]
    found, flags = metrics(rows, "auc")
    assert (found["val_selected"], found["auc_val_selected"]) == (0.7, 0.8)
    assert (found["auc_last"], found["auc_oracle_best"], found["oracle_best"]) == (0.5, 0.9, 0.9)
    assert metrics(rows)[0]["val_selected"] == 0.5
    assert not any("AUC" in flag for flag in flags)


def test_an_auc_that_is_undefined_is_null_and_a_flag_says_why() -> None:
    found, flags = metrics([{"test": 0.5, "val": 0.9, "test_auc": None, "val_auc": None}], "auc")
    assert found["val_selected"] is found["auc_val_selected"] is found["auc_oracle_best"] is None
    assert any("validation AUC is undefined" in flag for flag in flags)
    assert any("test AUC is null" in flag for flag in flags)


@given(curves, st.data())
def test_without_validation_nothing_is_selected_and_a_flag_says_so(
    curve: list[tuple[float, float]], data: st.DataObject
) -> None:
    rows: list[dict[str, Any]] = [{"test": test, "val": val} for test, val in curve]
    del rows[data.draw(st.integers(0, len(rows) - 1))]["val"]
    found, flags = metrics(rows)
    assert found["val_selected"] is None
    assert any(flag.startswith("val_selected is null") for flag in flags)
    complete, _ = metrics([{"test": test, "val": val} for test, val in curve])
    assert {**found, "val_selected": 0} == {**complete, "val_selected": 0}


def test_a_curve_without_epochs_is_refused() -> None:
    with pytest.raises(ValueError, match="^curve: "):
        metrics([])


def record(limit: int | None = None) -> dict[str, Any]:
    return compose(
        cell={"name": "tiny-supervised"},
        seed=3,
        curve=[{"epoch": 0, "test": 0.5}],
        select="accuracy",
        correct=[True, False, True],
        per_class=[None, 2 / 3],
        cost={},
        labels={"training_images": 64},
        protocol={"limit": limit},
        config={"run.epochs": "1"},
        provenance={"device": "cpu"},
        resumed_from=[],
        unused=[],
    )


def test_a_record_is_plain_json() -> None:
    made = record()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert unpack(made["correct"]) == [True, False, True]
    assert made["provenance"]["device"] == "cpu"
    assert made["status"] == "ok"
    assert made["protocol"] == {"version": PROTOCOL_VERSION, "limit": None}
    assert made["config"] == {"run.epochs": "1"}
    assert not any("--limit" in flag for flag in made["flags"])


def test_a_limited_run_is_flagged_first() -> None:
    assert record(limit=64)["flags"][0] == "not a result: only 64 training images (--limit)"
