"""FreeMatch's self-adaptive thresholds and fairness (Wang et al., ICLR 2023)."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench.api import Env, Guesses, Policy
from lpa3bench.ops import one_hot, probabilities
from lpa3bench_plugins.parameters import below_one, fraction, not_negative

_LEAST = 1e-12


def inverse(shares: Tensor) -> Tensor:
    """1 / share, and 0 for a class that has none: [K]."""
    return (shares > 0).to(shares.dtype) / torch.where(shares > 0, shares, 1)


def fairness_loss(logits: Tensor, counts: Tensor, mean: Tensor, shares: Tensor) -> Tensor:
    """Σ_c A_c · log(M_c + 1e-12), a 0-d tensor, as a rule negative; 0 where no row counts.

    A is mean/shares, M the mean prediction over the share of guesses of each class among the rows that count,
    both scaled to add up to 1. The gradient is that of the mean prediction alone. Going down it moves M away
    from A in cross-entropy; the sign is the paper's and both releases'.

    Args:
        logits: [M, K], of strong views.
        counts: [M], 1 for a row that counts, else 0.
        mean, shares: [K], the averages of weak predictions and of their guesses.
    """
    probs = probabilities(logits)
    rows = counts.to(probs.dtype) / counts.sum().clamp_min(1)
    guesses = rows @ one_hot(logits.argmax(1), logits.shape[1], probs.dtype)
    expected = mean * inverse(shares)
    found = (rows @ probs) * inverse(guesses)
    found = found / torch.where(rows.any(), found.sum(), 1)
    loss = (expected / expected.sum() * (found + _LEAST).log()).sum()
    return loss * rows.any()


class FreeMatch(Policy):
    """A guess counts where it reaches a threshold that follows the network's confidence, class by class.

    The threshold of class c is τ · p_c / max p, τ being the running average of the confidence and p that of
    the predictions. A fairness loss on the strong views that count keeps the predictions apart. Defaults are
    semilearn's for CIFAR-10 and CIFAR-100; TorchSSL gives the fairness 0.01, the paper 0.01 or 0.05.

    Args:
        decay: of the running averages.
        fairness: weight of the fairness loss.
        quantile: of the confidences, which is averaged instead of their mean; the release has 0.8 for it.
        limit: what τ is cut off at; the release has 0.95 for it.

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/2205.07246"
    saved = ("level", "mean", "shares")

    def __init__(
        self,
        *,
        decay: float = 0.999,
        fairness: float = 0.001,
        quantile: float | None = None,
        limit: float = 1.0,
    ) -> None:
        below_one(decay=decay)
        not_negative(fairness=fairness)
        fraction(quantile=0 if quantile is None else quantile)
        if not 0 < limit <= 1:
            raise ValueError(f"limit: must be in (0, 1], not {limit}")
        self.decay = decay
        self.fairness = fairness
        self.quantile = quantile
        self.limit = limit
        self.env: Env
        self.level: Tensor
        self.mean: Tensor
        self.shares: Tensor

    def unshared(self) -> str | None:
        """The fairness loss is no mean over rows."""
        return "its fairness loss is of a whole batch; start it without torchrun" if self.fairness else None

    def setup(self, env: Env, pool: Tensor) -> None:
        """Start where nothing is known."""
        classes = env.spec.num_classes
        self.env = env
        self.mean = torch.full((classes,), 1 / classes, dtype=torch.float64, device=env.device)
        self.shares, self.level = self.mean.clone(), self.mean[0].clone()

    def weigh(self, guesses: Guesses) -> Tensor:
        """By the thresholds of the averages, this step's guesses included."""
        probs = self.env.gather(guesses.probs)
        confidence, label = probs.max(dim=1)
        level = confidence.mean() if self.quantile is None else confidence.quantile(self.quantile)
        self.level = self._averaged(self.level, level).clamp(0, self.limit)
        self.mean = self._averaged(self.mean, probs.mean(0))
        self.shares = self._averaged(self.shares, one_hot(label, len(self.mean), probs.dtype).mean(0))
        thresholds = self.level * self.mean / self.mean.max()
        confidence, label = guesses.probs.max(dim=1)
        return (confidence >= thresholds[label]).to(confidence.dtype)

    def penalty(self, logits: Tensor, weight: Tensor) -> Tensor | None:
        """The fairness loss, weighted."""
        if not self.fairness:
            return None
        return self.fairness * fairness_loss(logits, weight, self.mean, self.shares)

    def _averaged(self, old: Tensor, new: Tensor) -> Tensor:
        return self.decay * old + (1 - self.decay) * new
