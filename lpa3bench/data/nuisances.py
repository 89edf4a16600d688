"""Digits whose colour, rotation and position are drawn and known: what a view keeps of each can be told.

On natural images nobody knows which part of an image is nuisance. Here three are drawn independently of the
digit and of each other, each from a handful of values with equal chances, so that their entropy is known and
a probe's cross-entropy bounds from below how much an image, or a view of it, still tells of them.
"""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb

import torch
import torch.nn.functional as F
from torch import Tensor

from lpa3bench.runtime.seeding import Draws, derive

SIDE = 16
"""Of the images, in pixels; the digit, 8 pixels in the source, is drawn 10 pixels high."""
SCALE = 10 / 16
COLOURS = tuple(hsv_to_rgb(hue / 6, 1.0, 1.0) for hue in range(6))
"""RGB of the ink: six hues at full saturation, on black."""
ANGLES = (-40.0, -20.0, 0.0, 20.0, 40.0)
"""Degrees, counter-clockwise."""
SHIFTS = (-2.5, 0.0, 2.5)
"""Pixels from the middle, in x and in y."""
FACTORS = {"colour": len(COLOURS), "rotation": len(ANGLES), "position": len(SHIFTS) ** 2}
"""The nuisances, and how many values each has."""


def draw_nuisances(count: int, *, seed: int, part: str) -> dict[str, Tensor]:
    """What the images of a part are given: int64 [count] each, by the names of `FACTORS`."""
    draws = Draws(derive(seed, "nuisance", part))
    return {name: draws.integers((count,), 0, values) for name, values in FACTORS.items()}


def paint_nuisance(ink: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """Digits with their nuisances: ink [N, 8, 8] in [0, 1] to images [N, 3, SIDE, SIDE] in [0, 1].

    Args:
        drawn: int64 [N] each, places in `COLOURS`, `ANGLES` and the grid of `SHIFTS` (row by row).
    """
    angle = torch.tensor(ANGLES)[drawn["rotation"]] * (math.pi / 180)
    across = torch.tensor(SHIFTS)[drawn["position"] % len(SHIFTS)] / (SIDE / 2)
    down = torch.tensor(SHIFTS)[drawn["position"] // len(SHIFTS)] / (SIDE / 2)
    cos, sin = angle.cos() / SCALE, angle.sin() / SCALE
    # Where in the digit (−1 … 1) a place of the image comes from: moved back, then turned back and scaled.
    rows = torch.stack(
        [
            torch.stack([cos, -sin, -(cos * across - sin * down)], dim=1),
            torch.stack([sin, cos, -(sin * across + cos * down)], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(rows, [len(ink), 1, SIDE, SIDE], align_corners=False)
    grey = F.grid_sample(ink.unsqueeze(1), grid, align_corners=False)
    colour = torch.tensor(COLOURS, dtype=grey.dtype)[drawn["colour"]]
    return (grey * colour.view(-1, 3, 1, 1)).clamp(0, 1)
