"""What metrics say of predictions."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from lpa3bench.api import Metric
from lpa3bench.errors import PluginError
from lpa3bench.records.limits import DEEPEST
from lpa3bench.records.summary import MetricKind
from lpa3bench.training.predictions import Predictions
from lpa3bench.training.scoring import begun_with, details, kinds, number, scores
from lpa3bench_plugins.metrics.accuracy import Accuracy
from lpa3bench_plugins.metrics.confusionmatrix import ConfusionMatrix
from lpa3bench_plugins.metrics.nll import NLL

PREDICTED = Predictions(torch.tensor([[0.75, 0.25], [0.5, 0.5]]), torch.tensor([0, 1]))


class Says(Metric):
    """Says what it is told to."""

    name = "says"
    title = "what it says"
    undefined = "it says nothing"

    def __init__(self, value: Any, detail: Any = None) -> None:
        self.value, self.told = value, detail

    def compute(self, probs: Tensor, labels: Tensor) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def detail(self, probs: Tensor, labels: Tensor) -> Any:
        return self.told


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.5, 0.5), (1, 1.0), (None, None), (math.nan, None), (-math.inf, None), (1e101, None), (10**400, None)],
)
def test_a_number_that_json_has_no_word_for_is_undefined(value: Any, expected: float | None) -> None:
    found = number(Says(value), PREDICTED)
    assert found == expected
    assert found is None or type(found) is float


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.tensor(0.5), "Says.compute returned a Tensor, not a float or None"),
        ("0.5", "Says.compute returned a str"),
        (KeyError("oh"), r"Says.compute failed \(KeyError"),
    ],
)
def test_a_metric_that_fails_is_named(value: Any, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        number(Says(value), PREDICTED)


def test_columns_stand_metric_by_metric_and_details_have_none() -> None:
    row = scores([NLL(), ConfusionMatrix(), Accuracy()], {"val": PREDICTED, "test": PREDICTED})
    assert list(row) == ["val/nll", "test/nll", "val/accuracy", "test/accuracy"]
    assert row["test/accuracy"] == 0.5
    assert row["val/nll"] == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_what_a_record_says_of_a_metric() -> None:
    assert kinds([Says(0.5), ConfusionMatrix(), NLL()]) == {
        "says": MetricKind("what it says", "", True, False, "it says nothing"),
        "nll": MetricKind("negative log-likelihood", "nats", False, False, "a probability is not finite"),
    }


def test_details_are_kept_where_there_are_any() -> None:
    found = details([Says(0.5), Accuracy(), ConfusionMatrix()], PREDICTED)
    assert found == {
        "confusion_matrix": {"rows": "class", "columns": "predicted", "images": [[1, 0], [1, 0]]}
    }
    assert details([Says(None, [1, "a"])], PREDICTED) == {"says": [1, "a"]}


@pytest.mark.parametrize("detail", [torch.zeros(2), {"a": math.nan}, {1, 2}, "\ud800"])
def test_a_detail_that_no_record_can_hold_is_refused(detail: Any) -> None:
    with pytest.raises(PluginError, match="Says.detail: must be plain numbers"):
        details([Says(0.5, detail)], PREDICTED)
    deep: Any = [0.5]
    for _ in range(DEEPEST):
        deep = [deep]
    with pytest.raises(PluginError, match=f"Says.detail: must not be nested more than {DEEPEST - 1} deep"):
        details([Says(0.5, deep)], PREDICTED)


def test_a_run_that_goes_on_keeps_the_metrics_that_it_began_with() -> None:
    metrics = [NLL(), Accuracy(), ConfusionMatrix()]
    rows = [{"epoch": 0, "test/nll": None, "test/accuracy": 0.5}, {"epoch": 1, "test/nll": 1.0}]
    assert [metric.name for metric in begun_with(metrics, rows[:1])] == [
        "nll",
        "accuracy",
        "confusion_matrix",
    ]
    assert [metric.name for metric in begun_with(metrics, rows)] == ["nll", "confusion_matrix"]
    assert begun_with(metrics, []) == tuple(metrics)
