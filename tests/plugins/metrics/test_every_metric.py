"""What all metrics keep, and their values against scikit-learn's."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch import Tensor

from lpa3bench.api import Metric
from lpa3bench.plugin.registry import load_registry

NAMES = [entry.name for entry in load_registry().kind("metrics")]
WITH_A_NUMBER = [name for name in NAMES if name != "ConfusionMatrix"]


def summing_to_one(probs: np.ndarray) -> np.ndarray:
    """In float64; in float32 the sum is off by 1e-7, and scikit-learn warns."""
    return probs / probs.sum(1, dtype=float, keepdims=True)


def brier(labels: np.ndarray, probs: np.ndarray) -> float:
    """The mean over images of the sum of squares over classes."""
    return float(((probs.astype(float) - np.eye(probs.shape[1])[labels]) ** 2).sum(1).mean())


def binned(labels: np.ndarray, probs: np.ndarray) -> float:
    """Guo et al. 2017, equation 3, bin by bin."""
    confidence, right = probs.max(1).astype(float), probs.argmax(1) == labels
    total = 0.0
    for low, high in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


REFERENCES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "Accuracy": lambda y, p: sk.accuracy_score(y, p.argmax(1)),
    "BalancedAccuracy": lambda y, p: sk.balanced_accuracy_score(y, p.argmax(1)),
    "MacroAUC": lambda y, p: float(np.mean([sk.roc_auc_score(y == k, p[:, k]) for k in range(p.shape[1])])),
    "MacroF1": lambda y, p: sk.f1_score(y, p.argmax(1), average="macro"),
    "NLL": lambda y, p: sk.log_loss(y, summing_to_one(p), labels=np.arange(p.shape[1])),
    "ECE": binned,
    "Brier": brier,
}


def made(name: str) -> Metric:
    entry = load_registry().get(name)
    assert entry is not None
    metric: Metric = entry.load()()
    return metric


def predictions(seed: int, images: int, classes: int, *, ties: bool = False) -> tuple[Tensor, Tensor]:
    """Probabilities float32 [N, K] that are right more often than not, and labels with every class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % classes
    logits = torch.randn(images, classes, generator=generator) + torch.eye(classes)[labels]
    if ties:
        logits = logits.mul(2).round().div(2)
    return torch.softmax(logits, 1), labels


@given(
    st.integers(0, 2**32),
    st.integers(20, 300),
    st.integers(2, 9),
    st.booleans(),
    st.sampled_from(WITH_A_NUMBER),
)
def test_the_number_is_scikit_learns(seed: int, images: int, classes: int, ties: bool, name: str) -> None:
    probs, labels = predictions(seed, images, classes, ties=ties)
    tolerance = 1e-6 if name == "NLL" else 1e-12  # `summing_to_one`
    found = made(name).compute(probs, labels)
    assert found == pytest.approx(REFERENCES[name](labels.numpy(), probs.numpy()), rel=tolerance, abs=1e-12)


def test_every_metric_with_a_number_has_a_reference() -> None:
    assert sorted(REFERENCES) == sorted(WITH_A_NUMBER)


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_left_as_they_are(name: str) -> None:
    probs, labels = predictions(1, 50, 4)
    before = probs.clone(), labels.clone()
    made(name).compute(probs, labels)
    made(name).detail(probs, labels)
    assert torch.equal(probs, before[0])
    assert torch.equal(labels, before[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_undefined_with_a_reason(name: str, broken: float) -> None:
    probs, labels = predictions(2, 30, 3)
    probs[7, 1] = broken
    metric = made(name)
    assert metric.compute(probs, labels) is None
    assert "not finite" in metric.undefined


@pytest.mark.parametrize("name", WITH_A_NUMBER)
def test_a_perfect_prediction_has_the_best_number(name: str) -> None:
    labels = torch.arange(30) % 3
    metric = made(name)
    found = metric.compute(torch.eye(3)[labels], labels)
    assert found == (1.0 if metric.higher_is_better else 0.0)
    assert math.copysign(1, found) == 1
    worse = metric.compute(torch.eye(3)[(labels + (torch.arange(30) < 5)) % 3], labels)
    assert worse is not None
    assert (worse < found) == metric.higher_is_better


@pytest.mark.parametrize(
    ("name", "worst"), [("Accuracy", 0.0), ("ECE", 1.0), ("NLL", 23 * math.log(2)), ("Brier", 2.0)]
)
@pytest.mark.parametrize("images", [1, 2])
def test_certain_and_wrong_is_the_worst(name: str, worst: float, images: int) -> None:
    probs = torch.tensor([[1.0, 0.0]]).expand(images, 2).clone()
    assert made(name).compute(probs, torch.ones(images, dtype=torch.int64)) == pytest.approx(worst, rel=1e-12)


@pytest.mark.parametrize("name", WITH_A_NUMBER)
def test_a_class_without_images(name: str) -> None:
    """As in scikit-learn it is passed over, but by the AUC, which has nothing to rank there."""
    probs, labels = predictions(3, 40, 4)
    labels = labels.where(labels < 3, 0)
    found = made(name).compute(probs, labels)
    if name == "MacroAUC":
        assert found is None
        return
    if name == "BalancedAccuracy":
        with pytest.warns(UserWarning, match="classes not in y_true"):
            expected = REFERENCES[name](labels.numpy(), probs.numpy())
    else:
        expected = REFERENCES[name](labels.numpy(), probs.numpy())
    assert found == pytest.approx(expected, rel=1e-6)


def test_names_are_unique_and_fit_into_records() -> None:
    metrics = [made(name) for name in NAMES]
    assert len({metric.name for metric in metrics}) == len(metrics)
    for metric in metrics:
        assert metric.name.replace("_", "").isalnum()
        assert metric.name == metric.name.lower()
        assert metric.title
        assert metric.detail_only == (type(metric).__name__ == "ConfusionMatrix")


def test_a_confusion_matrix_is_a_detail_of_plain_counts() -> None:
    probs = torch.tensor([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.6, 0.3], [1, 0, 0]])
    found = made("ConfusionMatrix").detail(probs, torch.tensor([0, 1, 2, 2]))
    assert found == {
        "rows": "class", "columns": "predicted", "images": [[1, 0, 0], [0, 1, 0], [1, 1, 0]],
    }  # fmt: skip
    assert json.loads(json.dumps(found)) == found
    assert made("Accuracy").detail(probs, torch.tensor([0, 1, 2, 2])) is None
