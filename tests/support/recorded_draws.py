"""What the golden steps share: LP-A3's views held against the stored ones, and recorded views and draws."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import View
from lpa3bench.config.experiment import Experiment
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from support.golden_network import relative


class Checked(LPA3):
    """LP-A3 whose views are compared with the golden ones and then replaced by them: in float32 the search
    amplifies rounding, and what follows it is to be tested on equal inputs."""

    stored: Tensor

    def generate(self, x: Tensor, ctx: Any) -> View:
        view = super().generate(x, ctx)
        tolerance = 1e-9 if x.dtype is torch.float64 else 1e-2
        assert relative(ctx.model.normalise(view.x), self.stored.cpu().numpy()) <= tolerance
        view.x = (self.stored * ctx.model.std + ctx.model.mean).clamp(0, 1)
        return view


class RecordedEnvironment(Environment):
    """The real environment with recorded views and draws."""

    def __init__(self, experiment: Experiment, views: list[Tensor], draws: Any, **rest: Any) -> None:
        self._recorded = draws
        super().__init__(experiment, **rest)
        self._waiting = views

    def weak(self, index: Tensor) -> Tensor:
        return self._waiting.pop(0)

    def draws(self, name: str) -> Any:
        return self._recorded
