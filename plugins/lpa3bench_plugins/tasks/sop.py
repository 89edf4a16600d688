"""SOP: sparse over-parametrisation of the label noise (Liu et al., ICML 2022)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lpa3bench.api import Domain, Env, Step, ViewFunction
from lpa3bench.ops import at_least_float32, cosine, one_hot, probabilities
from lpa3bench_plugins.parameters import not_negative
from lpa3bench_plugins.tasks.fullylabelled import FullyLabelled
from lpa3bench_plugins.tasks.steps import TRAIN, strong_view

_LEAST = 1e-4
"""What probabilities are limited to from below."""


class SparseNoise(NamedTuple):
    """The estimated noise of the labels of a batch: what is added to the prediction, and taken from it."""

    own: Tensor
    """[B, K], u² where the given label is, 0 elsewhere."""
    others: Tensor
    """[B, K], v² where it is not."""

    def fixed(self, rows: Tensor) -> SparseNoise:
        """That of some rows, without gradient."""
        return SparseNoise(self.own.detach()[rows], self.others.detach()[rows])


def noise(u: Tensor, v: Tensor, target: Tensor) -> SparseNoise:
    """u² · y and v² · (1 − y), limited to [0, 1]. u: [B, 1], as released; the paper's has all K classes.

    Args:
        v, target: [B, K]; `target` one-hot.
    """
    return SparseNoise((u.square() * target).clamp(0, 1), (v.square() * (1 - target)).clamp(0, 1))


def explained(logits: Tensor, estimate: SparseNoise) -> Tensor:
    """What the network and the noise together predict of the given label: [B, K]. v is constant here."""
    shifted = (probabilities(logits) + estimate.own - estimate.others.detach()).clamp_min(_LEAST)
    return F.normalize(shifted, p=1, eps=_LEAST).clamp(_LEAST, 1)


def label_loss(probs: Tensor, target: Tensor) -> Tensor:
    """−mean_i Σ_c y_ic · log p_ic, a 0-d tensor."""
    return -(target * probs.log()).sum(1).mean()


def residual_loss(logits: Tensor, estimate: SparseNoise, target: Tensor) -> Tensor:
    """Σ (h + u² − v² − y)² over classes, its mean over rows, h being the hard guess: a 0-d tensor."""
    guess = one_hot(logits.argmax(1), target.shape[1], target.dtype)
    return (guess + estimate.own - estimate.others - target).square().sum() / len(target)


def balance_loss(probs: Tensor) -> Tensor:
    """−mean_c log(mean_i p_ic), a 0-d tensor: least where the batch as a whole is explained evenly."""
    return -probs.mean(0).clamp(_LEAST, 1).log().mean()


def consistency_loss(logits: Tensor, other: Tensor) -> Tensor:
    """mean_i KL(softmax(logits_i), constant ‖ softmax(other_i)), a 0-d tensor."""
    log_q = F.log_softmax(at_least_float32(other), dim=1)
    return F.kl_div(log_q, probabilities(logits.detach()), reduction="batchmean")


class SOP(FullyLabelled):
    """Cross-entropy of the given labels with the prediction plus a sparse noise of every image's own.

    The noise is u² for the given class and −v² for the others; both start near 0, and gradient descent with
    steps of its own keeps them sparse: they grow where the network keeps contradicting a label. The network's
    loss is the cross-entropy with prediction and noise together, u takes a step of that loss and of the
    residual one, v of the residual one alone. SOP+ adds a penalty on unbalanced batches and the consistency
    of a second view, which is a weak view through the augmenter in slot `strong`. Defaults are the released
    SOP+ for CIFAR-100 and symmetric noise; for asymmetric noise its README asks for lr_u 0.1 and lr_v 100.

    With `positives` the cross-entropy of the views is added with weight 1, the noise of their image being
    constant there. The paper has no such row: it is an extension without reference values.

    Args:
        batch_size: images per step.
        lr: falls as half a cosine wave to `lr_min` at the end of the run.
        momentum, weight_decay: of SGD for the network.
        lr_min: see there.
        lr_u, lr_v: of plain gradient descent for u and v, the same throughout.
        start: deviation of the normal numbers that u and v start from.
        consistency: weight of the second view's loss; 0: there is no second view.
        balance: weight of the penalty.

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/2202.14026"
    slots = ("view", "strong", "positives")
    saved = (*FullyLabelled.saved, "u", "v")

    def __init__(
        self,
        *,
        batch_size: int = 128,
        lr: float = 0.02,
        momentum: float = 0.9,
        weight_decay: float = 1e-3,
        lr_min: float = 2e-4,
        lr_u: float = 1.0,
        lr_v: float = 10.0,
        start: float = 1e-8,
        consistency: float = 0.9,
        balance: float = 0.1,
    ) -> None:
        super().__init__(batch_size=batch_size, lr=lr, momentum=momentum, weight_decay=weight_decay)
        not_negative(
            lr_min=lr_min, lr_u=lr_u, lr_v=lr_v, start=start, consistency=consistency, balance=balance
        )
        self.lr_min = lr_min
        self.lr_u = lr_u
        self.lr_v = lr_v
        self.start = start
        self.consistency = consistency
        self.balance = balance
        self.u: Tensor
        self.v: Tensor

    def setup(self, env: Env) -> None:
        """Also start u, [N, 1], and v, [N, K]."""
        super().setup(env)
        like, draws = next(self.net.parameters()), env.draws("sop")
        self.u, self.v = (
            draws.normal((env.size, width), std=self.start).to(like) for width in (1, env.spec.num_classes)
        )

    def stages(self) -> tuple[tuple[str, int], ...]:
        return ((TRAIN, 0),)

    def rate(self, epoch: int) -> float:
        """From `lr` down to `lr_min`."""
        return cosine(epoch, self.env.epochs, self.lr, self.lr_min)

    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        """One step of the network, and of u and v of the batch."""
        (batch,) = step.batches
        env, net, index = self.env, self.net, batch.index
        x, target = self.training_view(batch, views), self.given(index).to(self.v.dtype)
        second = strong_view(env, net, batch, views) if self.consistency else None
        hard = views("positives", net, x, index=index, target=target, pass_no=batch.pass_no)

        # An image comes once in an epoch, so its row is in one step's gradient only.
        u, v = (rows[index].requires_grad_() for rows in (self.u, self.v))
        estimate = noise(u, v, target)
        logits, other = self._logits(x, second)
        probs = explained(logits, estimate)
        losses = {
            "label_loss": label_loss(probs, target),
            "residual_loss": residual_loss(logits, estimate, target),
        }
        if self.balance:
            losses["balance_loss"] = self.balance * balance_loss(probs)
        if other is not None:
            losses["consistency_loss"] = self.consistency * consistency_loss(logits, other)
        if hard is not None and len(hard.x):
            on_hard = env.logits(net, hard.x, hard.domain, slot="positives").logits
            known = explained(on_hard, estimate.fixed(hard.rows))
            losses["positives_loss"] = label_loss(known, target[hard.rows])
        logs = self.descend(losses)
        for rows, moved, lr in ((self.u, u, self.lr_u), (self.v, v, self.lr_v)):
            assert moved.grad is not None
            rows[index] = moved.detach() - lr * moved.grad
        return logs

    def _logits(self, x: Tensor, second: tuple[Tensor, Domain] | None) -> tuple[Tensor, Tensor | None]:
        """Of both views, in one pass where they share a BatchNorm, as released."""
        if second is None:
            return self.env.logits(self.net, x).logits, None
        other, domain = second
        if domain == "main":
            both = self.env.logits(self.net, torch.cat([x, other])).logits
            return both[: len(x)], both[len(x) :]
        return self.env.logits(self.net, x).logits, self.env.logits(self.net, other, domain).logits
