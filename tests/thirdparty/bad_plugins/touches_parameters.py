"""Bad: pulls the network in training towards its own idea of it."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench import Augmenter, Context, View, hookimpl
from lpa3bench.plugin.hookspecs import Register


class TouchesParameters(Augmenter):
    """Changes the weights of the model that it was lent."""

    needs_model = True

    @torch.no_grad()
    def generate(self, x: Tensor, ctx: Context) -> View:
        for parameter in ctx.model.parameters():
            parameter.mul_(0.99)
        return View(x.flip(3), torch.arange(len(x), device=x.device))


@hookimpl
def register_augmenters(register: Register) -> None:
    register("TouchesParameters", TouchesParameters)
