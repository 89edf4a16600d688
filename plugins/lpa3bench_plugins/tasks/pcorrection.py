"""PCorrection: PENCIL, probabilistic end-to-end noise correction (Yi & Wu, CVPR 2019)."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from lpa3bench.api import Env, Step, ViewFunction
from lpa3bench.ops import at_least_float32, one_hot, staircase
from lpa3bench_plugins.parameters import not_negative, positive
from lpa3bench_plugins.tasks.fullylabelled import FullyLabelled, check_milestones

NOISY, CORRECTION, FINAL = "noisy", "correction", "final"
Compatibility = Literal["released", "paper"]


def classification_loss(logits: Tensor, log_target: Tensor) -> Tensor:
    """L_c, the mean over rows *and classes* of p · log(p/y), p = softmax(logits): KL(p ‖ y)/K, a 0-d tensor.

    Args:
        logits: [B, K].
        log_target: [B, K], log y.
    """
    log_p = F.log_softmax(at_least_float32(logits), dim=1)
    return (log_p.exp() * (log_p - log_target)).mean()


def entropy_loss(logits: Tensor) -> Tensor:
    """L_e, the entropy of the predictions over K: the mean over rows and classes of −p · log p."""
    log_p = F.log_softmax(at_least_float32(logits), dim=1)
    return -(log_p.exp() * log_p).mean()


def compatibility_loss(log_target: Tensor, given: Tensor, kind: Compatibility) -> Tensor:
    """L_o, what keeps the label distributions y near the given labels: a 0-d tensor.

    "paper": −mean log y at the given label. "released": the script hands y to a cross-entropy that takes
    logits, so that a second soft-max is over it and the pull is weaker.

    Args:
        log_target: [B, K], log y.
        given: int64 [B].
    """
    if kind == "released":
        return F.cross_entropy(log_target.exp(), given)
    return F.nll_loss(log_target, given)


class PCorrection(FullyLabelled):
    """Learn from the noisy labels, then correct labels and network together, then learn from what came out.

    Every image has label logits ỹ, at first `label_scale` times its given label's one-hot vector, and a label
    distribution y = softmax(ỹ). Stage 1, up to `correction_epoch`: cross-entropy with the given labels.
    Stage 2, up to `final_epoch`: L_c + alpha · L_o + beta · L_e, on which the network takes a step of SGD and
    the label logits of the batch one of plain gradient descent, ỹ ← ỹ − lam · ∂L/∂ỹ (the gradient of the
    *mean* over the batch, as released, so lam goes with the batch size). Stage 3: L_c with y as it is then,
    at a rate of its own. Defaults are the released script's.

    With `positives` the network's part of the stage's loss is taken of the views too, with weight 1 and
    against the same targets: the given label in stage 1, y after it. The paper has no such row: it is an
    extension without reference values. The views never move ỹ: lam is made for one gradient per image and
    epoch, and views that were searched for where the network is least sure would write that doubt into the
    labels.

    Args:
        batch_size: images per step.
        lr: of stages 1 and 2.
        lr_final: of stage 3, divided by ten at each of `milestones`. The released script divides integers
            there, so that its rate falls to 0; this is what it means.
        milestones: epochs of stage 3, ascending.
        momentum, weight_decay: of SGD.
        correction_epoch, final_epoch: where stages 2 and 3 begin.
        alpha: weight of L_o.
        beta: weight of L_e.
        lam: λ, the step of the label logits.
        label_scale: see above.
        compatibility: how L_o is computed; see `compatibility_loss`.

    Raises:
        ValueError: a value is out of range.
    """

    paper = "https://arxiv.org/abs/1903.07788"
    saved = (*FullyLabelled.saved, "label_logits")

    def __init__(
        self,
        *,
        batch_size: int = 128,
        lr: float = 0.06,
        lr_final: float = 0.2,
        milestones: tuple[int, ...] = (240, 280),
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        correction_epoch: int = 70,
        final_epoch: int = 200,
        alpha: float = 0.4,
        beta: float = 0.1,
        lam: float = 600.0,
        label_scale: float = 10.0,
        compatibility: Compatibility = "released",
    ) -> None:
        super().__init__(batch_size=batch_size, lr=lr, momentum=momentum, weight_decay=weight_decay)
        positive(lr_final=lr_final, label_scale=label_scale)
        not_negative(correction_epoch=correction_epoch, alpha=alpha, beta=beta, lam=lam)
        if final_epoch < correction_epoch:
            raise ValueError(f"final_epoch: must be >= correction_epoch, not {final_epoch}")
        check_milestones(milestones, first=final_epoch)
        if compatibility not in ("released", "paper"):
            raise ValueError(f"compatibility: must be 'released' or 'paper', not {compatibility!r}")
        self.lr_final = lr_final
        self.milestones = milestones
        self.correction_epoch = correction_epoch
        self.final_epoch = final_epoch
        self.alpha = alpha
        self.beta = beta
        self.lam = lam
        self.label_scale = label_scale
        self.compatibility: Compatibility = compatibility
        self.label_logits: Tensor

    def setup(self, env: Env) -> None:
        """Also start the label logits."""
        super().setup(env)
        self.label_logits = self.label_scale * one_hot(env.labels.given, env.spec.num_classes)

    def stages(self) -> tuple[tuple[str, int], ...]:
        return ((NOISY, 0), (CORRECTION, self.correction_epoch), (FINAL, self.final_epoch))

    def rate(self, epoch: int) -> float:
        """Constant before stage 3, then `lr_final` and its tenths."""
        if epoch < self.final_epoch:
            return self.lr
        return staircase(epoch, self.lr_final, self.milestones)

    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        """One step of the network and, in stage 2, of the batch's labels."""
        (batch,) = step.batches
        env, net, index = self.env, self.net, batch.index
        given = env.labels.given[index]
        x = self.training_view(batch, views)
        # An image comes once in an epoch, so its row is in one step's gradient only.
        rows = self.label_logits[index].requires_grad_(step.phase == CORRECTION)
        # log softmax, not the log of a soft-max as released: a label that has moved far has zeros in it.
        log_target = F.log_softmax(rows, dim=1)
        target = self.given(index) if step.phase == NOISY else log_target.detach().exp()
        hard = views("positives", net, x, index=index, target=target, pass_no=batch.pass_no)

        logits = env.logits(net, x).logits
        losses = {"network_loss": self.network_loss(step.phase, logits, log_target, given)}
        if step.phase == CORRECTION:
            compatibility = compatibility_loss(log_target, given, self.compatibility)
            losses["compatibility_loss"] = self.alpha * compatibility
        if hard is not None and len(hard.x):
            hard_logits = env.logits(net, hard.x, hard.domain, slot="positives").logits
            losses["positives_loss"] = self.network_loss(
                step.phase, hard_logits, log_target.detach()[hard.rows], given[hard.rows]
            )
        logs = self.descend(losses)
        if rows.grad is not None:
            self.label_logits[index] = rows.detach() - self.lam * rows.grad
        return logs

    def network_loss(self, stage: str, logits: Tensor, log_target: Tensor, given: Tensor) -> Tensor:
        """What the network learns from in a stage, a 0-d tensor; in stage 2 the labels learn from it too.

        Args:
            stage: "noisy", "correction" or "final".
            logits: [B, K], the network's.
            log_target: [B, K], log y.
            given: int64 [B], the given labels.
        """
        if stage == NOISY:
            return F.cross_entropy(at_least_float32(logits), given)
        loss = classification_loss(logits, log_target)
        return loss + self.beta * entropy_loss(logits) if stage == CORRECTION else loss
