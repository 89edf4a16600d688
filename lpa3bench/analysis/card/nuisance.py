"""Digits whose colour, rotation and position are drawn and known: what a view keeps of each can be told.

On natural images nobody knows which part of an image is nuisance. Here three are drawn independently of the
digit and of each other, each from a handful of values with equal chances, so that their entropy is known and
a probe's cross-entropy bounds from below how much an image, or a view of it, still tells of them.
"""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lpa3bench.api import Dataset, DatasetSpec, Split, WeakView
from lpa3bench.runtime.seeding import Draws, derive

_SIDE = 16
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
Part = Literal["attacked", "probe", "test"]
# Of every ten source images the places that go to each part, so that no digit is in two of them; and how
# often each is drawn.
_PLACES: dict[Part, tuple[int, ...]] = {"attacked": (0, 1, 2), "probe": (3, 4, 5, 6), "test": (7, 8, 9)}
COPIES: dict[Part, int] = {"attacked": 8, "probe": 8, "test": 2}


class NuisanceDigits(Dataset):
    """scikit-learn's digits on 3×16×16 pixels in drawn colours, rotations and positions; no download.

    Trained on is one part of the digits (4,320 images), scored on another (1,074 images); a third
    (5,760 images) is left for probes, see `part`. The label is the digit.

    Args:
        seed: of the nuisances.

    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    @property
    def spec(self) -> DatasetSpec:
        return DatasetSpec(
            name="NuisanceDigits",
            num_classes=10,
            class_names=tuple("0123456789"),
            channels=3,
            size=_SIDE,
            mean=(0.059, 0.059, 0.059),
            std=(0.183, 0.183, 0.183),
            weak=WeakView(flip=False, pad=0),
        )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        """The parts to train and to be scored on."""
        return {"train": self.part("attacked")[0], "test": self.part("test")[0]}

    def part(self, part: Part) -> tuple[Split, dict[str, Tensor]]:
        """Images with their labels, and what was drawn: int64 [N], by the names of `FACTORS`."""
        from sklearn.datasets import load_digits

        pixels, target = load_digits(return_X_y=True)
        ink = torch.from_numpy(pixels / 16).float().view(-1, 8, 8)
        labels = torch.from_numpy(target).long()
        chosen = torch.isin(torch.arange(len(labels)) % 10, torch.tensor(_PLACES[part]))
        ink, labels = (t[chosen].repeat_interleave(COPIES[part], 0) for t in (ink, labels))
        draws = Draws(derive(self.seed, "nuisance", part))
        drawn = {name: draws.integers((len(labels),), 0, count) for name, count in FACTORS.items()}
        images = (paint_nuisance(ink, drawn) * 255).round().to(torch.uint8)
        return Split(images, labels), drawn


def paint_nuisance(ink: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """Digits with their nuisances: ink [N, 8, 8] in [0, 1] to images [N, 3, SIDE, SIDE] in [0, 1].

    Args:
        drawn: int64 [N] each, places in `COLOURS`, `ANGLES` and the grid of `SHIFTS` (row by row).
    """
    angle = torch.tensor(ANGLES)[drawn["rotation"]] * (math.pi / 180)
    across = torch.tensor(SHIFTS)[drawn["position"] % len(SHIFTS)] / (_SIDE / 2)
    down = torch.tensor(SHIFTS)[drawn["position"] // len(SHIFTS)] / (_SIDE / 2)
    cos, sin = angle.cos() / SCALE, angle.sin() / SCALE
    # Where in the digit (−1 … 1) a place of the image comes from: moved back, then turned back and scaled.
    rows = torch.stack(
        [
            torch.stack([cos, -sin, -(cos * across - sin * down)], dim=1),
            torch.stack([sin, cos, -(sin * across + cos * down)], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(rows, [len(ink), 1, _SIDE, _SIDE], align_corners=False)
    grey = F.grid_sample(ink.unsqueeze(1), grid, align_corners=False)
    colour = torch.tensor(COLOURS, dtype=grey.dtype)[drawn["colour"]]
    return (grey * colour.view(-1, 3, 1, 1)).clamp(0, 1)
