"""SoftMatch's truncated Gaussian weights, with its alignment of distributions (Chen et al., ICLR 2023)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from lpa3bench.api import Env, Guesses, Policy
from lpa3bench.ops import one_hot
from lpa3bench_plugins.parameters import below_one, one_of, positive

_LEAST = 1e-6


def class_moments(confidence: Tensor, label: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Mean and variance (n − 1) of the confidences of each class: [K], [K]; 0 and 1 where it has fewer than
    two images."""
    member = one_hot(label, classes, confidence.dtype)
    count = member.sum(0)
    mean = confidence @ member / count.clamp_min(1)
    variance = (confidence - mean[label]).square() @ member / (count - 1).clamp_min(1)
    return torch.where(count > 1, mean, 0), torch.where(count > 1, variance, 1)


class SoftMatch(Policy):
    """Every guess counts: fully where it is more confident than the average, and by a Gaussian below it.

    The weight is exp(−(confidence − μ)² · sigmas² / 2σ²) below μ, with running averages μ and σ² of the mean
    and the variance of the confidences, which start at 1/K and 1. Confidences are those of predictions that
    were aligned: multiplied by what their running average lacks to `target`, then scaled to add up to 1; the
    pseudo label remains that of the prediction itself. Defaults are semilearn's for CIFAR-10 and CIFAR-100.

    Args:
        decay: of the running averages.
        sigmas: how many σ are taken for one: at 2 weights fall off twice as fast.
        target: what predictions are aligned to: the "uniform" distribution, or the average prediction for
            "labelled" images.
        per_class: a μ and a σ² for each class. In the release this could not be switched on.
        flavour: "semilearn"; or "torchssl", the authors' earlier code, in which μ and σ² are those of the
            confidences before they are aligned, as in the paper, the average prediction starts uniform rather
            than with the first batch's, and nothing is added to denominators. It aligned to "labelled".

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/2301.10921"
    saved = ("started", "predicted", "wanted", "mean", "variance")

    def __init__(
        self,
        *,
        decay: float = 0.999,
        sigmas: float = 2.0,
        target: Literal["uniform", "labelled"] = "uniform",
        per_class: bool = False,
        flavour: Literal["semilearn", "torchssl"] = "semilearn",
    ) -> None:
        below_one(decay=decay)
        positive(sigmas=sigmas)
        one_of(("uniform", "labelled"), target=target)
        one_of(("semilearn", "torchssl"), flavour=flavour)
        self.decay = decay
        self.sigmas = sigmas
        self.target = target
        self.per_class = per_class
        self.flavour = flavour
        self.env: Env
        self.started: bool
        self.predicted: Tensor
        self.wanted: Tensor
        self.mean: Tensor
        self.variance: Tensor

    def unshared(self) -> str | None:
        """All processes average the guesses of all."""
        return None

    def setup(self, env: Env, pool: Tensor) -> None:
        """Start where nothing is known."""
        classes = env.spec.num_classes
        even = torch.full((classes,), 1 / classes, dtype=torch.float64, device=env.device)
        self.env = env
        self.predicted, self.wanted = even, even.clone()
        self.mean = even.clone() if self.per_class else even[0].clone()
        self.variance = torch.ones_like(self.mean)
        self.started = self.flavour == "torchssl"

    def weigh(self, guesses: Guesses) -> Tensor:
        """By the averages, this step's guesses included."""
        probs = self.env.gather(guesses.probs)
        self.predicted = self._averaged(self.predicted, probs.mean(0)) if self.started else probs.mean(0)
        self.started = True
        if self.target == "labelled":
            self.wanted = self._averaged(self.wanted, self.env.gather(guesses.labelled).mean(0))
        self._measure(probs if self.flavour == "torchssl" else self._aligned(probs))
        confidence, label = self._aligned(guesses.probs).max(dim=1)
        mean, variance = self.mean, self.variance
        if self.per_class:
            mean, variance = mean[label], variance[label]
        below = (confidence - mean).clamp_max(0)
        spread = (2 * variance / self.sigmas**2).clamp_min(torch.finfo(variance.dtype).tiny)
        weight = torch.exp(-below.square() / spread)
        return weight.to(guesses.probs.dtype)

    def _aligned(self, probs: Tensor) -> Tensor:
        least = _LEAST if self.flavour == "semilearn" else 0.0
        moved = probs * (self.wanted + least) / (self.predicted + least)
        return moved / moved.sum(1, keepdim=True)

    def _measure(self, probs: Tensor) -> None:
        confidence, label = probs.max(dim=1)
        if self.per_class:
            mean, variance = class_moments(confidence, label, len(self.wanted))
        else:
            mean = confidence.mean()
            variance = confidence.var() if len(confidence) > 1 else self.variance  # one image has none
        self.mean = self._averaged(self.mean, mean)
        self.variance = self._averaged(self.variance, variance)

    def _averaged(self, old: Tensor, new: Tensor) -> Tensor:
        return self.decay * old + (1 - self.decay) * new
