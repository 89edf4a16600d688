"""Bad: draws from torch's global generator, so that no seed decides what it makes."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench import Augmenter, Context, View, hookimpl
from lpa3bench.plugin.hookspecs import Register


class GlobalRandom(Augmenter):
    """Dims each image by a factor from the wrong generator."""

    def generate(self, x: Tensor, ctx: Context) -> View:
        factor = torch.rand(len(x), 1, 1, 1)
        return View(x * factor, torch.arange(len(x), device=x.device))


@hookimpl
def register_augmenters(register: Register) -> None:
    register("GlobalRandom", GlobalRandom)
