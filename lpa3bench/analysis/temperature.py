"""Temperature scaling (Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599, section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor

COLDEST, HOTTEST = 1 / 20, 20.0
_HALVINGS = 60
_SMALLEST = torch.finfo(torch.float32).tiny


def fit_temperature(probs: Tensor, labels: Tensor) -> float:
    """The temperature by which the predictions have the least negative log-likelihood, in [1/20, 20].

    Logits are the logarithms of the probabilities, which differ from a network's by a constant that the
    soft-max does not see; so any task's predictions will do, a mean of networks' too. The loss is convex in
    1/T, whose best value is found by halving. It is 1 where no temperature is better than another: where all
    classes are equally likely, or a probability is not a number.

    Args:
        probs: [N, K].
        labels: int64 [N].
    """
    logits = _logits(probs)
    logits = logits - logits.amax(1, keepdim=True)
    own = logits.gather(1, labels[:, None])[:, 0]
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(_HALVINGS):
        inverse = (low * high) ** 0.5
        slope = ((logits * (logits * inverse).softmax(1)).sum(1) - own).mean()
        if not slope.abs() > 0:
            return float(1 / inverse)
        low, high = (low, inverse) if slope > 0 else (inverse, high)
    return float(1 / (low * high) ** 0.5)


def scaled_probabilities(probs: Tensor, temperature: float) -> Tensor:
    """float32 [N, K], the soft-max of the logits over the temperature; the likeliest class stays so."""
    return (_logits(probs) / temperature).softmax(1).float()


def _logits(probs: Tensor) -> Tensor:
    return probs.double().clamp(min=_SMALLEST).log()
