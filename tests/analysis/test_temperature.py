"""Temperature scaling finds the temperature that labels were drawn with."""

from __future__ import annotations

import pytest
import torch

from lpa3bench.analysis.temperature import COLDEST, fit_temperature, scaled_probabilities

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


def test_the_likeliest_class_stays_and_1_changes_nothing() -> None:
    probs = LOGITS.softmax(1).float()
    assert torch.equal(scaled_probabilities(probs, 3.0).argmax(1), probs.argmax(1))
    assert torch.allclose(scaled_probabilities(probs, 1.0), probs, atol=1e-6)


def test_predictions_that_are_all_right_get_as_cold_as_may_be() -> None:
    probs = torch.tensor([[0.9, 0.1], [1.0, 0.0]])
    assert fit_temperature(probs, torch.tensor([0, 0])) == pytest.approx(COLDEST, rel=1e-6)
