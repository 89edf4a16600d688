"""RandAugment (Cubuk et al., 2020) in the variants that published runs used."""

from __future__ import annotations

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Context, DatasetSpec, Slot, View
from lpa3bench_plugins.augmenters.image_ops import engine, recipes


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
            "torchvision": the 14 operators of `torchvision.transforms.RandAugment`.
        n: operators per image.
        magnitude: from 0 to 30, the same for all images; for "generic" and "torchvision", whose default is 9.
        cutout: side in pixels of the box at the end, which covers side + 1 pixels each way (see
            `image_ops.cutout`); 0: none. None: none for "generic" and "torchvision"; for the others half the
            shorter side of the image, which on 32-pixel images is the 16 of the released runs. Runs that
            were published with 16 on images of another size bind 16.

    Raises:
        ValueError: a parameter is out of range, or a magnitude was given to a recipe that draws its own.
    """

    def __init__(
        self,
        *,
        recipe: recipes.Name = "fixmatch",
        n: int = 2,
        magnitude: int | None = None,
        cutout: int | None = None,
    ) -> None:
        if recipe not in recipes.NAMES:
            raise ValueError(f"recipe: must be one of {', '.join(recipes.NAMES)}, not {recipe!r}")
        if n < 1:
            raise ValueError(f"n: must be >= 1, not {n}")
        if magnitude is not None and recipe in recipes.DRAW_THEIR_MAGNITUDES:
            raise ValueError(
                f"magnitude: must be None for recipe {recipe!r}, which draws it for each operator"
            )
        if magnitude is not None and not 0 <= magnitude <= recipes.STRONGEST:
            raise ValueError(f"magnitude: must be from 0 to {recipes.STRONGEST}, not {magnitude}")
        if cutout is not None and cutout < 0:
            raise ValueError(f"cutout: must be >= 0, not {cutout}")
        self.recipe = recipes.build(
            recipe, layers=n, magnitude=9 if magnitude is None else magnitude, cutout=cutout
        )

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
        if (far := self.recipe.longest_move()) >= side:
            return f"a translation by {far:g} pixels empties images of {side}×{side}; take another recipe"
        return None

    def generate(self, x: Tensor, ctx: Context) -> View:
        choices = engine.choose(self.recipe, len(x), ctx.draws)
        return View(engine.augment(x, self.recipe, choices), torch.arange(len(x), device=x.device))
