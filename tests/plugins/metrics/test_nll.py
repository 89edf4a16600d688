from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from lpa3bench_plugins.metrics.nll import NLL


def test_it_is_in_nats() -> None:
    probs = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    found = NLL().compute(probs, torch.tensor([0, 0]))
    assert found == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_a_probability_of_nought_is_clipped_as_in_scikit_learn() -> None:
    probs, labels = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([0, 0])
    found = NLL().compute(probs, labels)
    assert found == pytest.approx(23 * math.log(2) / 2)
    assert found == pytest.approx(log_loss(labels, probs.numpy(), labels=np.arange(2)), rel=1e-6)
