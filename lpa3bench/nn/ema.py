"""An exponential moving average of a network: what is evaluated where its own weights are too restless."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lpa3bench.nn.backbone import Model


class EMA:
    """A copy of a network whose parameters follow the original's: e ← decay·e + (1 − decay)·w.

    It starts as a copy and is not corrected for that. Buffers (BatchNorm's running statistics) are copied,
    not averaged, as in the released FixMatch code: they are averages already. The copy stands in eval mode,
    takes no gradient, and its passes are counted with the original's.

    Args:
        model: the original, complete: what is added to it later is not averaged.
        decay: in [0, 1].

    Raises:
        ValueError: `decay` is out of range.
    """

    model: Model
    """The average; `env.logits` takes it as it takes the original."""

    def __init__(self, model: Model, decay: float) -> None:
        if not 0 <= decay <= 1:
            raise ValueError(f"decay: must be in [0, 1], not {decay}")
        # The counter of passes is the run's: what stands in the memo is taken over, not copied.
        passes = getattr(model, "passes", None)
        average = copy.deepcopy(model, {id(passes): passes})
        average.requires_grad_(False).eval()
        self.model = average
        self.decay = decay
        self._from = _tensors(model)
        self._to = _tensors(average)

    @torch.no_grad()
    def update(self) -> None:
        """Follow the original by one step."""
        (parameters, buffers), (averaged, copied) = self._from, self._to
        torch._foreach_lerp_(averaged, parameters, 1 - self.decay)
        if buffers:  # a list of none is refused
            torch._foreach_copy_(copied, buffers)

    def state_dict(self) -> dict[str, Any]:
        """Parameters and buffers of the average."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        self.model.load_state_dict(state)


def _tensors(model: Model) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters and buffers."""
    return [*model.parameters()], [*model.buffers()]
