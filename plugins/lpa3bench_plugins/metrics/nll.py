"""Negative log-likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lpa3bench.api import Metric
from lpa3bench_plugins.metrics.predictions import finite

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST = 2.0**-23
"""That of float32. A probability below it counts as it, as in scikit-learn's `log_loss` of float32: one image
costs 15.9 nats at most, where a soft-max that underflows to 0 would make the mean infinite."""


class NLL(Metric):
    """The mean of −ln p over the images, p the probability of the image's class, clipped to [2^-23, 1]."""

    name = "nll"
    title = "negative log-likelihood"
    unit = "nats"
    higher_is_better = False
    undefined = "a probability is not finite"

    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        if not finite(probs):
            return None
        own = probs.gather(1, labels[:, None]).double().clamp(SMALLEST, 1)
        return float(-own.log().mean()) + 0.0  # no −0
