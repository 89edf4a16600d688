"""Augmenters that keep a known share of what an image tells of label and nuisance; a file for `--plugin` too.

`SwapWithinClass` keeps all and none, `Blank` none and none, and `Identity`, a plugin of ours, all and all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench import Augmenter, Context, View, hookimpl
from lpa3bench.analysis.representation import swapped_within_class


class SwapWithinClass(Augmenter):
    """For each image the next one of its class in the batch, the last one's being the first."""

    def generate(self, x: Tensor, ctx: Context) -> View:
        assert ctx.target is not None
        taken = swapped_within_class(ctx.target.argmax(1))
        return View(x[taken], rows=torch.arange(len(x), device=x.device))


class Blank(Augmenter):
    """The same grey, whatever the image."""

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(torch.full_like(x, 0.5), rows=torch.arange(len(x), device=x.device))


@hookimpl
def register_augmenters(register):  # type: ignore[no-untyped-def]
    register("SwapWithinClass", SwapWithinClass)
    register("Blank", Blank)
