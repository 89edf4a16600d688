"""The memory behind LP-A3's data selection: how consistent the predictions on each sample have been.

Time-consistency of a sample (TCS; paper, section 5.2) falls when its prediction changes from one visit to
the next. LP-A3 works on the least consistent share of the data.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

Flavour = Literal["lpa3", "tcssl"]

_NEVER = 1.01
"""What the memory holds for every class of a sample that was never seen; no probability, as released."""
NEWEST = 0.99
"""Weight of the newest divergence, as released: nearly no averaging, though the paper speaks of one."""


def _log(p: Tensor) -> Tensor:
    """ln p, of the smallest normal number where p underflowed.

    Deviation: the released code lets the divergence become infinite there, and then the score for good.
    """
    return p.clamp_min(torch.finfo(p.dtype).tiny).log()


def divergence_lpa3(now: Tensor, before: Tensor) -> Tensor:
    """KL(now ‖ before)/C per sample, as LP-A3's code has it: [B, C] twice → [B].

    For a sample seen for the first time `before` is 1.01 in every class, so this is −(entropy + ln 1.01)/C.
    """
    return (now * (_log(now) - _log(before))).mean(dim=1)


def divergence_tcssl(now: Tensor, before: Tensor) -> Tensor:
    """KL(before ‖ now) + |ln before[y] − ln now[y]| with y the earlier prediction: [B, C] twice → [B].

    The measure of the work that LP-A3 took it from (TC-SSL, Zhou et al. 2020), by our reading of it. A
    sample seen for the first time has not changed: 0.
    """
    change = _log(before) - _log(now)
    label = before.argmax(dim=1, keepdim=True)
    divergence = (before * change).sum(dim=1) + change.gather(1, label).squeeze(1).abs()
    return torch.where(before[:, 0] < _NEVER, divergence, 0)


def lowest(scores: Tensor, count: int) -> Tensor:
    """The places of the `count` lowest scores, ascending: [B] → int64 [count].

    Equal scores go by place, so the result is the same on any hardware; its size is known without looking.
    """
    return scores.argsort(stable=True)[:count].sort().values


class ConsistencyBank:
    """Last prediction and consistency score of every sample of a training set.

    A low score means low consistency. Before any update all scores are 0 and the threshold is 1, so
    everything lies below it. Every call costs the same whatever the number of samples, but `refresh`, which
    is linear in it.

    Args:
        size: N, samples.
        num_classes: C; the memory takes 4·N·(C + 1) bytes in float32.
        flavour: which divergence the score averages, `divergence_lpa3` or `divergence_tcssl`.
        device: where it lives.
        dtype: in which it is kept.
    """

    def __init__(
        self,
        size: int,
        num_classes: int,
        *,
        flavour: Flavour = "lpa3",
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if flavour not in ("lpa3", "tcssl"):
            raise ValueError(f"flavour: must be 'lpa3' or 'tcssl', not {flavour!r}")
        self._divergence = divergence_lpa3 if flavour == "lpa3" else divergence_tcssl
        self.probabilities = torch.full((size, num_classes), _NEVER, device=device, dtype=dtype)
        self._scores = torch.zeros(size, device=device, dtype=dtype)
        self.threshold = torch.ones((), device=device, dtype=dtype)

    def scores(self, index: Tensor | None = None) -> Tensor:
        """The scores of some samples, int64 [B] → [B], or of all, [N]."""
        return self._scores.clone() if index is None else self._scores[index]

    def update(self, index: Tensor, probabilities: Tensor) -> Tensor:
        """Remember new predictions.

        Args:
            index: int64 [B]. A sample may stand in it more than once (several views of it): then the mean
                of its predictions counts, as one visit.
            probabilities: [B, C].

        Returns:
            The divergences [B] from what was remembered.
        """
        now = mean_by_sample(index, probabilities.detach().to(self.probabilities.dtype))
        divergence = self._divergence(now, self.probabilities[index])
        self._scores[index] = (1 - NEWEST) * self._scores[index] - NEWEST * divergence
        self.probabilities[index] = now
        return divergence

    def refresh(self, ratio: float, pool: Tensor | None = None) -> None:
        """Set the threshold so that about `ratio` of the samples lie below it.

        It becomes the score at the zero-based place trunc((1 − ratio)·N) of the descending order, computed
        in double precision: as released, one sample fewer than asked lies strictly below it. With ratio 0
        (where the release would fail) nothing does. `pool`, int64 [N]: the samples that are drawn at all,
        where others never are; None: all. One that the last pass left out is ranked by its old score.
        """
        scores = self._scores if pool is None else self._scores[pool]
        size = len(scores)
        place = int((1 - ratio) * size)
        if place >= size:
            self.threshold.fill_(-torch.inf)
        else:
            self.threshold.copy_(scores.kthvalue(size - place).values)

    def below(self, index: Tensor) -> Tensor:
        """Which of the samples score below the threshold: int64 [B] → bool [B]."""
        return self._scores[index] < self.threshold

    def state_dict(self) -> dict[str, Any]:
        return {"probabilities": self.probabilities, "scores": self._scores, "threshold": self.threshold}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.probabilities.copy_(state["probabilities"])
        self._scores.copy_(state["scores"])
        self.threshold.copy_(state["threshold"])


def mean_by_sample(index: Tensor, values: Tensor) -> Tensor:
    """Each row replaced by the mean over all rows of the same sample; exact where alone.

    index: int64 [B]; values: [B, …].
    """
    first = (index.unsqueeze(1) == index).byte().argmax(dim=1)
    each = values.new_ones(len(values), *(1 for _ in values.shape[1:]))
    count = torch.zeros_like(each).index_add_(0, first, each)
    total = torch.zeros_like(values).index_add_(0, first, values)
    return (total / count.clamp_min(1))[first]
