"""Losses, mixing, counts and ramps that several parts share: pure functions of tensors."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def one_hot(labels: Tensor, num_classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """int64 [B] to [B, K]."""
    return F.one_hot(labels, num_classes).to(dtype)


def at_least_float32(x: Tensor) -> Tensor:
    """x, in float32 where it is in half precision: soft-max and logarithm need the digits."""
    return x.float() if x.dtype.itemsize < 4 else x


def probabilities(logits: Tensor) -> Tensor:
    """Soft-max over classes: [B, K]."""
    return torch.softmax(at_least_float32(logits), dim=1)


def soft_cross_entropy(logits: Tensor, target: Tensor, class_weight: Tensor | None = None) -> Tensor:
    """−Σ_c w_c · mean_i(target_ic · log softmax(logits_i)_c): a 0-d tensor.

    Args:
        logits: [B, K].
        target: [B, K], probabilities.
        class_weight: [K]; all one where absent.
    """
    terms = -(target * F.log_softmax(at_least_float32(logits), dim=1)).mean(0)
    return terms.sum() if class_weight is None else (class_weight * terms).sum()


def jensen_shannon(*logits: Tensor) -> Tensor:
    """Jensen-Shannon divergence of n predictions, its mean over rows, in nats: mean_k KL(p_k ‖ M), where M is
    the mean of p_1 … p_n, limited to at least 1e-7 as AugMix's release does: a 0-d tensor.

    Args:
        logits: [B, K] each, of the same rows.
    """
    scores = [F.log_softmax(at_least_float32(each), dim=1) for each in logits]
    middle = torch.stack([each.exp() for each in scores]).mean(0).clamp(min=1e-7).log()
    terms = [F.kl_div(middle, each, reduction="batchmean", log_target=True) for each in scores]
    return torch.stack(terms).mean()


def squared_error(logits: Tensor, target: Tensor) -> Tensor:
    """MixMatch's unlabelled loss: the mean over rows and classes of (softmax − target)²."""
    return (probabilities(logits) - target).square().mean()


def sharpen(probs: Tensor, temperature: float) -> Tensor:
    """Raise to 1/temperature and renormalise, row by row: [B, K]."""
    powered = probs ** (1 / temperature)
    return powered / powered.sum(1, keepdim=True)


def mix(x: Tensor, partner: Tensor, share: float | Tensor) -> Tensor:
    """share · x + (1 − share) · x[partner], row by row.

    `share` is one number for the batch, or a tensor with one for each row that broadcasts against x.
    """
    return share * x + (1 - share) * x[partner]


def count_pairs(first: Tensor, second: Tensor, classes: int) -> Tensor:
    """How often each class of `first` meets each of `second`: int64 [N] both → int64 [K, K]."""
    return torch.bincount(first * classes + second, minlength=classes**2).view(classes, classes)


def linear_ramp(time: float, start: float, length: float) -> float:
    """0 up to `start`, 1 from `start + length` on, linear between; all in epochs."""
    return min(max((time - start) / length, 0.0), 1.0)


def cosine(epoch: int, epochs: int, high: float, low: float) -> float:
    """Half a cosine wave from `high` at epoch 0 to `low` at `epochs`."""
    return low + (high - low) * (1 + math.cos(math.pi * epoch / epochs)) / 2


def staircase(epoch: int, high: float, milestones: tuple[int, ...]) -> float:
    """`high`, divided by ten at each of the epochs in `milestones`."""
    return high / 10.0 ** sum(epoch >= milestone for milestone in milestones)


def uniform_prior_penalty(logits: Tensor) -> Tensor:
    """KL(uniform ‖ mean prediction) = Σ_c 1/K · log((1/K) / mean_i softmax(logits_i)_c): a 0-d tensor.

    Zero where the batch as a whole is predicted evenly; it keeps a network that is taught by itself from
    calling everything one class. Finite where a class has vanished from the batch. `logits`: [B, K].
    """
    log_probs = F.log_softmax(at_least_float32(logits), dim=1)
    log_mean = torch.logsumexp(log_probs, dim=0) - math.log(len(logits))
    return -math.log(logits.shape[1]) - log_mean.mean()
