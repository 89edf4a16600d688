"""ELR: early-learning regularisation against noisy labels (Liu et al., NeurIPS 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lpa3bench.api import Env, Step, ViewFunction
from lpa3bench.ops import at_least_float32, cosine, probabilities
from lpa3bench_plugins.parameters import below_one, not_negative, positive
from lpa3bench_plugins.tasks.fullylabelled import FullyLabelled, check_milestones
from lpa3bench_plugins.tasks.steps import TRAIN

_LEAST = 1e-4
"""Probabilities are limited to it, and to 1 less it, as released; the paper's formula has no such limit."""


def bounded(logits: Tensor) -> Tensor:
    """softmax(logits), limited: [B, K]. No gradient where the limit acts."""
    return probabilities(logits).clamp(_LEAST, 1 - _LEAST)


def remembered(memory: Tensor, probs: Tensor, beta: float) -> Tensor:
    """beta · t + (1 − beta) · p / Σ p, row by row: [B, K]. `memory`: t.

    It starts at 0 and is not corrected for that: after a first visit a row adds up to 1 − beta.
    """
    return beta * memory + (1 - beta) * probs / probs.sum(1, keepdim=True)


def regulariser(probs: Tensor, memory: Tensor) -> Tensor:
    """mean_i log(1 − Σ_c t_ic · p_ic), a 0-d tensor: the nearer to the memory, the lower."""
    return (1 - (memory * probs).sum(1)).log().mean()


class ELR(FullyLabelled):
    """Cross-entropy with the given labels, held back by what was predicted before they were learnt by heart.

    Every image has a running average t of its predictions. A step first renews it and then goes down
    CE(logits, label) + lam · mean log(1 − ⟨t, p⟩), the gradient of which undoes that of labels that
    contradict t. Defaults are the released ones for symmetric noise on CIFAR-10 ("cosine annealing"); for
    CIFAR-100 they are beta 0.9, lam 7 and milestones 80 and 120. ELR+, which adds a second network, mixup and
    averaged weights, is not here.

    With `positives` the same loss is taken of the views too, with weight 1, the given label and the memory of
    their image, which they never write. The paper has no such row: it is an extension without reference
    values.

    Args:
        batch_size: images per step.
        lr: learning rate at the start.
        momentum, weight_decay: of SGD.
        restart_epochs: half a cosine wave from `lr` to `lr_min` every so many epochs; 0: steps instead, at
            `milestones`.
        lr_min: see there.
        milestones: epochs, ascending, at which the rate is multiplied by `gamma`, where nothing restarts.
        gamma: see there.
        beta: share of the old average that a visit keeps.
        lam: weight of the regulariser.

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/2007.00151"
    saved = (*FullyLabelled.saved, "memory")

    def __init__(
        self,
        *,
        batch_size: int = 128,
        lr: float = 0.02,
        momentum: float = 0.9,
        weight_decay: float = 1e-3,
        restart_epochs: int = 10,
        lr_min: float = 1e-3,
        milestones: tuple[int, ...] = (80, 120),
        gamma: float = 0.01,
        beta: float = 0.7,
        lam: float = 3.0,
    ) -> None:
        super().__init__(batch_size=batch_size, lr=lr, momentum=momentum, weight_decay=weight_decay)
        not_negative(restart_epochs=restart_epochs, lr_min=lr_min, lam=lam)
        check_milestones(milestones)
        positive(gamma=gamma)
        below_one(beta=beta)
        self.restart_epochs = restart_epochs
        self.lr_min = lr_min
        self.milestones = milestones
        self.gamma = gamma
        self.beta = beta
        self.lam = lam
        self.memory: Tensor

    def setup(self, env: Env) -> None:
        """Also start the memory, [N, K], with nothing."""
        super().setup(env)
        like = next(self.net.parameters())
        self.memory = torch.zeros(env.size, env.spec.num_classes, dtype=like.dtype, device=env.device)

    def stages(self) -> tuple[tuple[str, int], ...]:
        return ((TRAIN, 0),)

    def rate(self, epoch: int) -> float:
        """Waves of a cosine, or steps."""
        if self.restart_epochs:
            return cosine(epoch % self.restart_epochs, self.restart_epochs, self.lr, self.lr_min)
        return self.lr * self.gamma ** sum(epoch >= milestone for milestone in self.milestones)

    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        """One step of the memory of the batch, then one of the network."""
        (batch,) = step.batches
        env, net, index = self.env, self.net, batch.index
        x = self.training_view(batch, views)
        hard = views("positives", net, x, index=index, target=self.given(index), pass_no=batch.pass_no)

        logits = env.logits(net, x).logits
        given, probs = env.labels.given[index], bounded(logits)
        memory = remembered(self.memory[index], probs.detach(), self.beta).to(self.memory.dtype)
        self.memory[index] = memory
        losses = {
            "label_loss": F.cross_entropy(at_least_float32(logits), given),
            "memory_loss": self.lam * regulariser(probs, memory),
        }
        if hard is not None and len(hard.x):
            on_hard = env.logits(net, hard.x, hard.domain, slot="positives").logits
            label_loss = F.cross_entropy(at_least_float32(on_hard), given[hard.rows])
            held_back = regulariser(bounded(on_hard), memory[hard.rows])
            losses["positives_loss"] = label_loss + self.lam * held_back
        return self.descend(losses)
