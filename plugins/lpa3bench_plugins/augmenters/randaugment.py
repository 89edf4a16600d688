"""RandAugment (Cubuk et al., 2020) in the variants that published runs used, and its relatives."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Context, DatasetSpec, Domain, Slot, View
from lpa3bench_plugins.augmenters.image_ops import engine, published


class RandAugment(Augmenter):
    """Draws operators from a pool and applies them one after the other, batched on the device.

    Every operator computes what Pillow computes, to the byte. Choices are drawn on the host, so runs on
    different hardware make the same ones.

    Args:
        recipe: the pool, and how it is drawn from.
            "fixmatch": the 14 operators of the released FixMatch and LP-A3 code, each applied with
            probability one half, levels 1 … 9, then Cutout;
            "fixmatch_paper": the same, always applied;
            "generic": the 16 operators of the common stand-alone implementation;
            "torchvision": the 14 operators of `torchvision.transforms.RandAugment`;
            "trivialaugment_wide": one of the 14 operators of `torchvision.transforms.TrivialAugmentWide`, at
            one of 31 levels (Müller & Hutter, 2021);
            "autoaugment_cifar10", "autoaugment_imagenet", "autoaugment_svhn": one of the 25 pairs of
            operators of `torchvision.transforms.AutoAugment`, each operator with its own probability (Cubuk
            et al., 2019).
        n: operators per image; None: 2, or what TrivialAugment (one) and AutoAugment (a pair) lay down.
        magnitude: from 0 to 30, the same for all images; for "generic" and "torchvision", whose default is 9.
        cutout: side in pixels of the box at the end, which covers side + 1 pixels each way (see
            `image_ops.cutout`); 0: none. None: half the shorter side of the image for "fixmatch" and
            "fixmatch_paper", which on 32-pixel images is the 16 of the released runs, and none for the
            others. Runs that were published with 16 on images of another size bind 16.
        domain: the BatchNorm that the views are trained through; "aux" makes it a control for LP-A3.

    Raises:
        ValueError: a parameter is out of range, or was given to a recipe that has its own.
    """

    paper = "https://arxiv.org/abs/1909.13719"

    def __init__(
        self,
        *,
        recipe: published.RecipeName = "fixmatch",
        n: int | None = None,
        magnitude: int | None = None,
        cutout: int | None = None,
        domain: Domain = "main",
    ) -> None:
        if recipe not in published.NAMES:
            raise ValueError(f"recipe: must be one of {', '.join(published.NAMES)}, not {recipe!r}")
        if n is not None and recipe not in published.COUNTED:
            raise ValueError(f"n: must be None for recipe {recipe!r}, which says how many there are")
        if n is not None and n < 1:
            raise ValueError(f"n: must be >= 1, not {n}")
        if magnitude is not None and recipe not in published.GRADED:
            raise ValueError(f"magnitude: must be None for recipe {recipe!r}, which has its own")
        if magnitude is not None and not 0 <= magnitude <= published._STRONGEST:
            raise ValueError(f"magnitude: must be from 0 to {published._STRONGEST}, not {magnitude}")
        if cutout is not None and cutout < 0:
            raise ValueError(f"cutout: must be >= 0, not {cutout}")
        if domain not in ("main", "aux"):
            raise ValueError(f"domain: must be 'main' or 'aux', not {domain!r}")
        self.bn_domain = domain
        self.recipe = published.build_recipe(recipe, layers=n, magnitude=magnitude, cutout=cutout)

    @property
    def recipe_hash(self) -> str:
        """Twelve hexadecimal digits that tell this recipe, with its magnitudes, from any other."""
        return self.recipe.digest()

    def describe(self) -> str:
        """The operators with their magnitudes, a line for each."""
        return self.recipe.describe()

    def unsupported(self, spec: DatasetSpec, slot: Slot) -> str | None:
        side = spec.weak.crop or spec.size
        if self.recipe.cutout_side(side, side) >= side:
            box = f"a cutout of {self.recipe.cutout} pixels hides images of {side}×{side}"
            return f"{box}; leave RandAugment.cutout at None for one of half the side"
        if (far := self.recipe.usual_move()) >= side:
            return (
                f"translations by {far:g} pixels and more empty images of {side}×{side}; take another recipe"
            )
        return None

    def unshared(self) -> str | None:
        """Choices are drawn image by image."""
        return None

    def generate(self, x: Tensor, ctx: Context) -> View:
        choices = engine.choose_operations(self.recipe, len(x), ctx.draws)
        return View(engine.augment(x, self.recipe, choices), torch.arange(len(x), device=x.device))
