"""Bad: returns images of another size."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench import Augmenter, Context, View, hookimpl
from lpa3bench.plugin.hookspecs import Register


class WrongShapes(Augmenter):
    """Cuts the rim off and leaves it off."""

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(x[:, :, 1:-1, 1:-1], torch.arange(len(x), device=x.device))


@hookimpl
def register_augmenters(register: Register) -> None:
    register("WrongShapes", WrongShapes)
