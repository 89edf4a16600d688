"""Temperature scaling finds the temperature that labels were drawn with."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from lpa3bench.analysis.temperature import COLDEST, HOTTEST, fit_temperature, scaled_probabilities

LOGITS = torch.randn(4000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def drawn(temperature: float) -> torch.Tensor:
    probs = (LOGITS / temperature).softmax(1)
    return torch.multinomial(probs, 1, generator=torch.Generator().manual_seed(1))[:, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_it_is_the_best_one(temperature: float) -> None:
    probs, labels = LOGITS.softmax(1), drawn(temperature)
    found = fit_temperature(probs, labels)
    assert found == pytest.approx(temperature, rel=0.1)

    def loss(t: float) -> float:
        own = scaled_probabilities(probs, t).double().gather(1, labels[:, None])
        return float(-own.log().mean())

    assert loss(found) < min(loss(found * 1.02), loss(found / 1.02))


@pytest.mark.parametrize("spread", [0.5, 3.0, 60.0])
@pytest.mark.parametrize(("images", "classes"), [(1, 2), (2, 3), (30, 5)])
def test_scipy_finds_none_that_is_better(spread: float, images: int, classes: int) -> None:
    """Some probabilities of a spread of 60 are 0 in float32."""
    generator = torch.Generator().manual_seed(images)
    probs = (torch.randn(images, classes, generator=generator) * spread).softmax(1)
    labels = torch.randint(classes, (images,), generator=generator)
    logits = np.log(np.clip(probs.double().numpy(), 2.0**-126, None))

    def loss(log_t: float) -> float:
        scaled = logits / math.exp(log_t)
        return float((logsumexp(scaled, axis=1) - scaled[np.arange(images), labels.numpy()]).mean())

    best = minimize_scalar(loss, bounds=(math.log(1 / 20), math.log(20)), method="bounded")
    assert loss(math.log(fit_temperature(probs, labels))) <= best.fun + 1e-9


@pytest.mark.parametrize(
    "probs", [torch.full((4, 3), 1 / 3), torch.ones(4, 1), torch.full((4, 3), float("nan"))]
)
def test_where_none_is_better_than_another_it_is_1(probs: torch.Tensor) -> None:
    assert fit_temperature(probs, torch.zeros(4, dtype=torch.int64)) == pytest.approx(1, rel=1e-12)


def test_predictions_that_are_certain_and_wrong_get_as_hot_as_may_be() -> None:
    assert fit_temperature(torch.eye(3), torch.tensor([1, 2, 0])) == pytest.approx(HOTTEST, rel=1e-6)


def test_the_likeliest_class_stays_and_1_changes_nothing() -> None:
    probs = LOGITS.softmax(1).float()
    assert torch.equal(scaled_probabilities(probs, 3.0).argmax(1), probs.argmax(1))
    assert torch.allclose(scaled_probabilities(probs, 1.0), probs, atol=1e-6)


def test_predictions_that_are_all_right_get_as_cold_as_may_be() -> None:
    probs = torch.tensor([[0.9, 0.1], [1.0, 0.0]])
    assert fit_temperature(probs, torch.tensor([0, 0])) == pytest.approx(COLDEST, rel=1e-6)
