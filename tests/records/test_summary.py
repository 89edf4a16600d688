"""What a run's curve comes to, by rule; and the record that is made of it."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_records import ACCURACY, NLL, bits, small_record

from lpa3bench.records import RULES, MetricKind, pack, unpack
from lpa3bench.records.composing import compose
from lpa3bench.records.schema import PROTOCOL_VERSION, MetricOfRun, RecordData, digest_of
from lpa3bench.records.summary import AVERAGES, is_scored, summarise_curve

AREA = MetricKind("macro AUC", "%", True, False, "a class has no image")
KINDS = {"accuracy": ACCURACY, "nll": NLL}
shares = st.integers(0, 20).map(lambda k: k / 20)
"""Few values, so that epochs are often equally good."""
lengths = st.sampled_from([1, 2, 9, 10, 11, 19, 20, 21, 40])
curves = lengths.flatmap(lambda n: st.lists(st.tuples(shares, shares), min_size=n, max_size=n))


def rows(metric: str, *columns: tuple[float | None, float | None]) -> list[dict[str, Any]]:
    """An epoch for each score on the test split and the validation split."""
    return [{f"test/{metric}": test, f"val/{metric}": val} for test, val in columns]


# ---------------------------------------------------------------------------------------------------- bits
@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_bits_come_back_as_they_went_in(correct: list[bool]) -> None:
    packed = pack(correct)
    assert unpack(packed) == correct
    # what a reader without this package would do
    octets = zlib.decompress(base64.b64decode(packed.bits))
    assert octets == np.packbits(np.array(correct, dtype=bool)).tobytes()


# --------------------------------------------------------------------------------------------------- rules
@given(curves, st.booleans())
def test_numbers_of_any_curve(curve: list[tuple[float, float]], lower: bool) -> None:
    """By a metric of which more is better and by one of which less is."""
    name, best = ("nll", min) if lower else ("accuracy", max)
    tests, vals = zip(*curve, strict=True)
    found = summarise_curve(rows(name, *curve), {name: KINDS[name]}, name)[name]
    assert tuple(found.scores) == RULES
    assert found.scores["last"] == tests[-1]
    assert found.scores["oracle_best"] == best(tests)
    assert found.scores["val_selected"] == tests[vals.index(best(vals))], "the first of equals"
    averages = {"mean_last_10": np.mean, "mean_last_20": np.mean, "median_last_20": np.median}
    assert averages.keys() == AVERAGES.keys()
    for rule, average in averages.items():
        length = int(rule[-2:])
        expected = pytest.approx(float(average(tests[-length:]))) if len(curve) >= length else None
        assert found.scores[rule] == expected
    short = [rule for rule in averages if found.scores[rule] is None]
    assert found.undefined == dict.fromkeys(
        short, f"the run has only {len(curve)} epoch{'' if len(curve) == 1 else 's'}"
    )
    assert (found.title, found.unit, found.higher_is_better) == KINDS[name][:3]


def test_one_metric_selects_and_all_are_read_at_its_epoch() -> None:
    """By accuracy 0.9 on validation that is epoch 1, by the loss epoch 2; the best on test are others."""
    curve = [
        {"test/accuracy": 0.5, "val/accuracy": 0.9, "test/nll": 2.0, "val/nll": 3.0},
        {"test/accuracy": 0.7, "val/accuracy": 0.1, "test/nll": 1.5, "val/nll": 0.2},
        {"test/accuracy": 0.9, "val/accuracy": 0.5, "test/nll": 0.4, "val/nll": 0.2},
    ]

    def selected(select: str) -> list[float | None]:
        return [found.scores["val_selected"] for found in summarise_curve(curve, KINDS, select).values()]

    assert selected("accuracy") == [0.5, 2.0]
    assert selected("nll") == [0.7, 1.5], "the lowest, and of two equal ones the first"
    found = summarise_curve(curve, KINDS, "nll")
    assert (found["accuracy"].scores["oracle_best"], found["nll"].scores["oracle_best"]) == (0.9, 0.4)


def test_only_the_selecting_metric_needs_a_column_of_validation() -> None:
    curve = [{"test/accuracy": 0.5, "val/accuracy": 0.9, "test/nll": 7.5}]
    assert summarise_curve(curve, KINDS, "accuracy")["nll"].scores["val_selected"] == 7.5
    with pytest.raises(KeyError, match="test/nll"):
        summarise_curve(rows("accuracy", (0.5, 0.5)), KINDS, "accuracy")


# ----------------------------------------------------------------------------------------------- undefined
def area(*columns: tuple[float | None, float | None]) -> MetricOfRun:
    return summarise_curve(rows("area", *columns), {"area": AREA}, "area")["area"]


def test_what_is_undefined_says_why() -> None:
    """The second epoch has no area on the test split, and the third none on validation."""
    found = area((0.6, 0.7), (None, 0.9), (0.5, None))
    assert (found.scores["last"], found.scores["oracle_best"]) == (0.5, 0.6)
    assert (found.scores["val_selected"], found.undefined["val_selected"]) == (None, "a class has no image")
    assert area((0.6, 0.7), (0.5, 0.9), (0.5, None)).scores["val_selected"] == 0.5
    last = area((0.6, 0.7), (None, 0.2))
    assert (last.scores["last"], last.undefined["last"]) == (None, "a class has no image")
    assert (last.scores["val_selected"], last.scores["oracle_best"]) == (0.6, 0.6)
    nothing = area((None, None))
    assert {*nothing.scores.values()} == {None}
    assert nothing.undefined == {
        "last": "a class has no image",
        **dict.fromkeys(AVERAGES, "the run has only 1 epoch"),
        "val_selected": "area is undefined on the validation split",
        "oracle_best": "a class has no image",
    }


def test_an_average_over_epochs_of_which_one_is_undefined_is_undefined() -> None:
    found = area((None, 0.5), *[(0.25, 0.5)] * 19)
    assert (found.scores["mean_last_10"], found.scores["mean_last_20"]) == (0.25, None)
    assert {*found.undefined} == {"mean_last_20", "median_last_20", "val_selected"}
    assert {*found.undefined.values()} == {"a class has no image"}


def test_of_epochs_that_are_not_scored_nothing_is_said() -> None:
    """Every second of 11 is scored, and the last: 0-based 1, 3, 5, 7, 9 and 10."""
    curve: list[dict[str, float]] = [{"loss": 1.0} for _ in range(11)]
    for epoch in (epoch for epoch in range(11) if is_scored(epoch, 11, 2)):
        curve[epoch] |= {"test/area": epoch / 10, "val/area": -abs(epoch - 5)}
    found = summarise_curve(curve, {"area": AREA}, "area")["area"]
    assert {rule: found.scores[rule] for rule in ("last", "val_selected", "oracle_best")} == {
        "last": 1.0, "val_selected": 0.5, "oracle_best": 1.0,
    }  # fmt: skip
    assert found.scores["mean_last_10"] is None
    assert found.undefined["mean_last_10"] == "not every epoch was scored (run.score_every)"
    assert found.undefined["mean_last_20"] == "the run has only 11 epochs"


@given(curves, st.data())
def test_without_validation_nothing_is_selected_and_the_record_says_why(
    curve: list[tuple[float, float]], data: st.DataObject
) -> None:
    held_out = rows("accuracy", *curve)
    complete = summarise_curve(held_out, {"accuracy": ACCURACY}, "accuracy")["accuracy"].scores
    del held_out[data.draw(st.integers(0, len(curve) - 1))]["val/accuracy"]
    found = summarise_curve(held_out, {"accuracy": ACCURACY}, "accuracy")["accuracy"]
    assert found.scores == {**complete, "val_selected": None}
    assert found.undefined["val_selected"] == ("there is no validation split (run.holdout = N makes one)")


def test_a_curve_without_epochs_is_refused() -> None:
    with pytest.raises(ValueError, match="^curve: "):
        summarise_curve([], KINDS, "accuracy")


# ------------------------------------------------------------------------------------------------- a record
def test_a_record_is_plain_json() -> None:
    made = small_record(bits(2, of=3), config={"run.seed": "0"}).data
    text = msgspec.json.encode(made)
    assert msgspec.json.decode(text, type=RecordData) == made
    assert json.loads(text)["protocol"]["version"] == PROTOCOL_VERSION
    assert unpack(made.correct) == [True, True, False]
    assert (made.status, made.purpose, made.select) == ("ok", "result", "accuracy")
    assert made.cell.identity == made.identity.short
    assert made.digest == digest_of(made)
    assert (made.config["run.epochs"], made.config["run.seed"]) == ("1", "0")
    assert made.provenance.finished.endswith("+00:00")
    assert made.flags == ()


def test_a_limited_run_is_flagged_first_and_so_are_slots_that_nothing_used() -> None:
    parts = {
        name: msgspec.to_builtins(getattr(small_record(bits(2)).data, name))
        for name in ("cell", "seed", "curve", "select", "cost", "labels", "protocol", "config", "provenance")
    }
    del parts["cell"]["identity"], parts["provenance"]["finished"]
    whole = small_record(bits(2)).data
    made = compose(
        **{**parts, "protocol": parts["protocol"] | {"limit": 64}},
        metrics={"accuracy": ACCURACY},
        details={"accuracy": {"table": [[1, 2]]}},
        correct=bits(2),
        per_class=whole.per_class,
        identity=whole.identity,
        resumed_from=[3],
        unused=["positives"],
    )
    assert made.flags == (
        "not a result: only 64 training images (--limit)",
        "positives was bound and never used: the run ended before the task came to it",
    )
    assert (made.details, made.resumed_from) == ({"accuracy": {"table": [[1, 2]]}}, (3,))
    with pytest.raises(ValueError, match=r"Expected `int` >= 0 - at `\$\.seed`"):
        compose(
            **{**parts, "seed": -1},
            metrics={"accuracy": ACCURACY},
            details={},
            correct=bits(2),
            per_class=whole.per_class,
            identity=whole.identity,
            resumed_from=[],
            unused=[],
        )
