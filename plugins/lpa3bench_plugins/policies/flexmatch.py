"""FlexMatch's curriculum of thresholds (Zhang et al., NeurIPS 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench.api import Env, Guesses, Policy
from lpa3bench_plugins.parameters import fraction

UNUSED = -1


def convex(status: Tensor, threshold: float) -> Tensor:
    """threshold · β/(2 − β): [K], what a class's guess must reach. `status`: β, [K] in [0, 1]."""
    return threshold * status / (2 - status)


class FlexMatch(Policy):
    """A guess counts where it reaches its class's threshold, which is lower the less the class is learnt.

    A class is learnt by as many images as had it for a guess that reached `threshold` the last time they had
    one that did, in share of the class that has the most. So at first every guess counts, an unsure one too.
    Where all images belong to one class the thresholds stay as they are, as released. Defaults are the
    published ones, for CIFAR-10 and CIFAR-100 alike.

    Args:
        threshold: what the guess of a class that is learnt must reach.
        warmup: the images without a class so far are a class too, in what the shares are taken of, so that
            the thresholds begin low and rise.

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/2110.08263"
    saved = ("chosen", "status")

    def __init__(self, *, threshold: float = 0.95, warmup: bool = True) -> None:
        fraction(threshold=threshold)
        self.threshold = threshold
        self.warmup = warmup
        self.env: Env
        self.chosen: Tensor
        self.status: Tensor
        self.images: Tensor

    def unshared(self) -> str | None:
        """All processes learn from the guesses of all."""
        return None

    def setup(self, env: Env, pool: Tensor) -> None:
        """Start with no image in any class."""
        self.env = env
        self.images = pool.sum()
        self.chosen = torch.full((env.size,), UNUSED, device=env.device)
        self.status = torch.zeros(env.spec.num_classes, dtype=torch.float64, device=env.device)

    def weigh(self, guesses: Guesses) -> Tensor:
        """By the thresholds that the steps before this one have left."""
        confidence, label = guesses.probs.max(dim=1)
        thresholds = convex(self.status, self.threshold)
        self._learn(*map(self.env.gather, (confidence, label, guesses.index)))
        return (confidence >= thresholds[label]).to(confidence.dtype)

    def _learn(self, confidence: Tensor, label: Tensor, index: Tensor) -> None:
        sure = confidence >= self.threshold
        self.chosen[index] = torch.where(sure, label, self.chosen[index])
        # Not by bincount, which would wait for a GPU. Images outside the pool stay unused and do not count.
        places = torch.zeros(len(self.status) + 1, dtype=torch.float64, device=self.chosen.device)
        places.index_add_(0, self.chosen - UNUSED, torch.ones_like(self.chosen, dtype=torch.float64))
        unused, learnt = places[0] - (len(self.chosen) - self.images), places[1:]
        largest = learnt.max()
        most = torch.maximum(largest, unused)
        status = learnt / (most if self.warmup else largest).clamp_min(1)
        self.status = torch.where(most == self.images, self.status, status)
