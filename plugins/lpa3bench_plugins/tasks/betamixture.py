"""Which labels are wrong, by a mixture of two beta distributions over the losses (Arazo et al., ICML 2019).

Losses of images whose label is right and of those whose label is wrong make two heaps. Component 0 is the
heap of low losses, component 1 that of high ones, and the probability that a label is wrong is the posterior
of component 1. Everything is computed in float64 and from fixed starting values: no random number is drawn.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

PERCENTILES = (0.05, 0.95)
EDGE = 1e-4
"""How near to 0 and 1 a normalised loss, and a probability, may come: there densities have no logarithm."""
UNDERFLOW = 1e-12
"""Densities below it count as it."""
BINS = 100
NARROWEST = 1e-6
"""Losses that differ by less say nothing; also the smallest variance of a component."""


class BetaMixture(NamedTuple):
    """Two beta distributions, the one of low values first."""

    alphas: Tensor
    """[2]"""
    betas: Tensor
    """[2]"""
    weights: Tensor
    """[2], that sum to one."""


class Suspicion(NamedTuple):
    """What turns a loss into the probability that the label is wrong."""

    low: Tensor
    """0-d, the loss that counts as 0."""
    high: Tensor
    """0-d, the loss that counts as 1."""
    table: Tensor
    """[100], the probability in each bin of normalised losses."""


def normalised_losses(losses: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Losses [n] from low … high to (0, 1); those beyond are clipped."""
    return ((losses - low) / (high - low).clamp_min(NARROWEST)).clamp(EDGE, 1 - EDGE)


def weighted_moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Alpha and beta of the beta distribution with the weighted mean m and variance s² of x.

    alpha = m · (m · (1 − m)/s² − 1) and beta = alpha · (1 − m)/m. A variance of nearly 0, as of a component
    that has closed in on one value, is taken as a small one.

    Args:
        x: [n], in (0, 1).
        weights: [2, n], of each component.

    Returns:
        Two tensors [2].
    """
    total = weights.sum(1)
    mean = (weights * x).sum(1) / total
    variance = (weights * (x - mean[:, None]).square()).sum(1) / total
    # Above that bound, which no values between 0 and 1 exceed, alpha would not be positive.
    most = (1 - NARROWEST) * mean * (1 - mean)
    alpha = mean * (mean * (1 - mean) / torch.minimum(variance.clamp_min(NARROWEST), most) - 1)
    return alpha, alpha * (1 - mean) / mean


def weighted_densities(mixture: BetaMixture, x: Tensor) -> Tensor:
    """weight · density of both components: [2, n] at x [n] in (0, 1)."""
    alphas, betas, weights = (part[:, None] for part in mixture)
    log_norm = torch.lgamma(alphas) + torch.lgamma(betas) - torch.lgamma(alphas + betas)
    log_density = (alphas - 1) * x.log() + (betas - 1) * torch.log1p(-x) - log_norm
    return weights * log_density.exp()


def fit_mixture(x: Tensor, iterations: int = 10) -> BetaMixture:
    """Expectation maximisation, with moments in place of the maximum of the likelihood.

    Starts from Beta(1, 2) and Beta(2, 1) with equal weights.

    Args:
        x: [n], in (0, 1).
    """
    x = x.double()
    mixture = BetaMixture(x.new_tensor([1.0, 2.0]), x.new_tensor([2.0, 1.0]), x.new_tensor([0.5, 0.5]))
    for _ in range(iterations):
        shares = weighted_densities(mixture, x).clamp_min(UNDERFLOW)
        shares = shares / shares.sum(0)
        weights = shares.sum(1)
        mixture = BetaMixture(*weighted_moments(x, shares), weights / weights.sum())
    return mixture


def lookup(mixture: BetaMixture, bins: int = BINS) -> Tensor:
    """The posterior of component 1 at `bins` places evenly from 0 to 1: [bins].

    After its maximum it is kept there: where both densities vanish, a higher loss would else look cleaner.
    """
    x = torch.linspace(0, 1, bins, dtype=torch.float64, device=mixture.alphas.device)
    densities = weighted_densities(mixture, x.clamp(UNDERFLOW, 1 - UNDERFLOW))
    posterior = densities[1] / (densities.sum(0) + UNDERFLOW)
    place = torch.arange(bins, device=x.device)
    return torch.where(place >= posterior.argmax(), posterior.max(), posterior)


def unknown(device: torch.device) -> Suspicion:
    """What holds before the first fit: each label is as likely wrong as right."""
    return Suspicion(
        torch.zeros((), device=device), torch.ones((), device=device), torch.full((BINS,), 0.5, device=device)
    )


def suspicion(losses: Tensor) -> Suspicion:
    """Fit the mixture to the losses of a training set, [N].

    Where the losses do not differ, or are not finite, nothing tells right labels from wrong ones, and all
    probabilities are one half, as before the first fit.

    Returns:
        float32 tensors where `losses` lives.
    """
    values = losses.double()
    low, high = values.quantile(values.new_tensor(PERCENTILES))
    if not NARROWEST < float(high - low) < math.inf:  # read on the host, but once an epoch; NaN fails too
        return unknown(losses.device)
    table = lookup(fit_mixture(normalised_losses(values, low, high)))
    return Suspicion(low.float(), high.float(), table.nan_to_num(0.5).float())


def wrong(losses: Tensor, known: Suspicion) -> Tensor:
    """The probability B that each label is wrong, in 1e-4 … 1 − 1e-4: [n] from losses [n]."""
    bins = len(known.table)
    place = (
        (bins * normalised_losses(losses, known.low, known.high)).long().clamp(0, bins - 1)
    )  # NaN has none
    return known.table[place].clamp(EDGE, 1 - EDGE)
