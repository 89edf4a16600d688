"""AugMix (Hendrycks et al., ICLR 2020): an image mixed with several chains of operators on it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Context, Domain, View
from lpa3bench.runtime.device import send
from lpa3bench_plugins.augmenters.image_ops import engine, torchvision_pools
from lpa3bench_plugins.augmenters.image_ops.recipes import Recipe
from lpa3bench_plugins.parameters import at_least, one_of

if TYPE_CHECKING:
    from lpa3bench.runtime.seeding import Draws

LONGEST_CHAIN = 3
STRONGEST = 10


class DrawnChains(NamedTuple):
    """Everything random about one batch, on the host. B images, W chains of each."""

    chains: engine.Choices
    """Of W·B images: the first chain of every image, then the second, …"""
    shares: Tensor
    """float32 [B, 2], m: of the image itself, and of its chains."""
    weights: Tensor
    """float32 [B, W], w: the chains' shares of theirs."""


class AugMix(Augmenter):
    """m₀·x + m₁·Σ wᵢ·chainᵢ(x), each chain some operators one after the other, batched on the device.

    What is mixed are bytes, and the sum is cut down to bytes. Choices are drawn on the host, for each image
    and chain apart, so runs on different hardware make the same ones.

    Args:
        severity: levels of magnitude to draw from, the weakest of ten. The paper: 3.
        width: chains of an image.
        depth: operators of a chain; None: one to three, as in the paper.
        alpha: m and w are drawn from Dirichlet(α, …); a whole number, 1 in the paper: uniform.
        all_ops: brightness, colour, contrast and sharpness too, which the paper leaves out because the
            corruptions of corrupted test sets resemble them.
        domain: the BatchNorm that the views are trained through; "aux" makes it a control for LP-A3.
        jensen_shannon: make two views of an image, for the paper's consistency term, in which the task
            compares them and the image. Slot `positives` of Supervised can; others refuse it.

    Deviations: the release mixes normalised images and draws levels from a range; this and torchvision mix
    bytes and draw one of `severity` levels, of which the first moves nothing. Operators are Pillow's, which
    move pixels to the nearest place, where torchvision's on tensors interpolate.

    Raises:
        ValueError: a parameter is out of range.
    """

    paper = "https://arxiv.org/abs/1912.02781"
    added = ("jensen_shannon",)

    def __init__(
        self,
        *,
        severity: int = 3,
        width: int = 3,
        depth: int | None = None,
        alpha: int = 1,
        all_ops: bool = False,
        domain: Domain = "main",
        jensen_shannon: bool = False,
    ) -> None:
        if not 1 <= severity <= STRONGEST:
            raise ValueError(f"severity: must be from 1 to {STRONGEST}, not {severity}")
        at_least(1, width=width, depth=1 if depth is None else depth)
        if not 1 <= alpha < math.inf or alpha != int(alpha):
            raise ValueError(f"alpha: must be a whole number >= 1, not {alpha}")
        one_of(("main", "aux"), domain=domain)
        self.width = width
        self.depth = depth
        self.alpha = int(alpha)
        self.bn_domain = domain
        self.twins = jensen_shannon
        self.recipe = Recipe(
            name=f"AugMix, severity {severity}{', all operators' if all_ops else ''}",
            pool=torchvision_pools.aug_mix(severity, all_ops=all_ops),
            layers=LONGEST_CHAIN if depth is None else depth,
            levels=severity,
            cutout=0,
        )

    def describe(self) -> str:
        """The mixture, then the operators with their magnitudes, a line for each."""
        long = f"1 to {LONGEST_CHAIN}" if self.depth is None else str(self.depth)
        return (
            f"AugMix: {self.width} chains of {long} operators, mixed with the image\n{self.recipe.describe()}"
        )

    def unshared(self) -> str | None:
        """Choices are drawn image by image."""
        return None

    def generate(self, x: Tensor, ctx: Context) -> View:
        mixed = [self._mixed(x, ctx.draws) for _ in range(2 if self.twins else 1)]
        return View(mixed[0], torch.arange(len(x), device=x.device), twin=mixed[1] if self.twins else None)

    def _mixed(self, x: Tensor, draws: Draws) -> Tensor:
        drawn = self.choose(len(x), draws)
        chains = engine.augment(x.repeat(self.width, 1, 1, 1), self.recipe, drawn.chains)
        return mix_chains(x, chains, drawn)

    def choose(self, count: int, draws: Draws) -> DrawnChains:
        """Draw for `count` images."""
        shares = _dirichlet(count, 2, self.alpha, draws)
        weights = _dirichlet(count, self.width, self.alpha, draws)
        # All chains of an image are drawn in its row, so that processes may share the batch.
        together = replace(self.recipe, layers=self.width * self.recipe.layers)
        drawn = engine.choose_operations(together, count, draws)
        long = torch.full((count, self.width), self.recipe.layers)
        if self.depth is None:
            long = draws.integers(long.shape, 1, LONGEST_CHAIN + 1)

        def chain_by_chain(drawn: Tensor) -> Tensor:
            """[B, W·L] → [W·B, L]"""
            return drawn.view(count, self.width, drawn.shape[1] // self.width).transpose(0, 1).flatten(0, 1)

        chains = engine.Choices(
            op=chain_by_chain(drawn.op),
            level=chain_by_chain(drawn.level),
            applied=torch.arange(self.recipe.layers) < chain_by_chain(long),
            negative=chain_by_chain(drawn.negative),
            centre=drawn.centre.new_zeros(
                self.width * count, self.recipe.layers + 1, 2
            ),  # there are no boxes
        )
        return DrawnChains(chains, shares, weights)


def mix_chains(x: Tensor, chains: Tensor, drawn: DrawnChains) -> Tensor:
    """The images mixed with their chains, bytes with bytes.

    Args:
        x: [B, C, H, W] in [0, 1], rounded to 256 levels.
        chains: [W·B, C, H, W] in [0, 1], of 256 levels.

    Returns:
        [B, C, H, W] in [0, 1], cut down to 256 levels, of x's dtype.
    """
    shares, weights = (send(each, x.device).view(*each.shape, 1, 1, 1) for each in drawn[1:])
    mixed = shares[:, 0] * _bytes(x)
    for place, chain in enumerate(chains.view(weights.shape[1], *x.shape)):
        mixed += weights[:, place] * shares[:, 1] * _bytes(chain)
    return mixed.trunc_().div_(255).clamp_(0, 1).to(x.dtype)


def _bytes(x: Tensor) -> Tensor:
    """float32, whole numbers from 0 to 255."""
    return x.float().mul(255).round_()


def _dirichlet(count: int, parts: int, alpha: int, draws: Draws) -> Tensor:
    """float32 [count, parts]: shares, each row's sum is one. Of whole α it takes exponential draws alone."""
    each = -torch.log1p(-draws.uniform((count, parts, alpha))).sum(dim=2)
    return each / each.sum(dim=1, keepdim=True).clamp_min(torch.finfo(each.dtype).tiny)
