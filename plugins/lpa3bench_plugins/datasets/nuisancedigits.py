"""scikit-learn's digits in drawn colours, rotations and positions: images whose nuisances are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split, WeakView
from lpa3bench_plugins.datasets.digits import INK_LEVELS, Digits, digits_table

if TYPE_CHECKING:
    from torch import Tensor

# Of every ten source images the places that go to each part, so that no digit is in two of them; and how
# often each is drawn.
_PLACES = {"attacked": (0, 1, 2), "probe": (3, 4, 5, 6), "test": (7, 8, 9)}
COPIES = {"attacked": 8, "probe": 8, "test": 2}
_COUNTS = {"attacked": 4320, "probe": 5760, "test": 1074}


class NuisanceDigits(Dataset):
    """scikit-learn's digits on 3×16×16 pixels in drawn colours, rotations and positions; no download.

    Trained on is one part of the digits (4,320 images), scored on another (1,074 images); a third
    (5,760 images) is left for probes, see `part`. The label is the digit. The weak view changes nothing.

    Args:
        seed: of the nuisances.

    """

    paper = "https://doi.org/10.24432/C50P49"

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    @property
    def spec(self) -> DatasetSpec:
        return DatasetSpec(
            name="NuisanceDigits",
            num_classes=10,
            class_names=tuple("0123456789"),
            channels=3,
            size=16,
            mean=(0.059, 0.059, 0.059),
            std=(0.183, 0.183, 0.183),
            weak=WeakView(flip=False, pad=0),
        )

    @property
    def factors(self) -> dict[str, int]:
        """The nuisances, and how many values each has."""
        from lpa3bench.data.nuisances import FACTORS

        return dict(FACTORS)

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        """The parts to train and to be scored on."""
        return {"train": self.part("attacked")[0], "test": self.part("test")[0]}

    def part(self, part: str) -> tuple[Split, dict[str, Tensor]]:
        """Images with their labels, and what was drawn: int64 [N], by the names of `factors`.

        Args:
            part: "attacked", "probe" or "test".
        """
        import torch

        from lpa3bench.data.nuisances import draw_nuisances, paint_nuisance

        table = digits_table()
        table = table[np.isin(np.arange(len(table)) % 10, _PLACES[part])].repeat(COPIES[part], axis=0)
        ink = torch.from_numpy(table[:, :-1] / INK_LEVELS).float().view(-1, 8, 8)
        labels = torch.from_numpy(table[:, -1].astype(np.int64))
        drawn = draw_nuisances(len(labels), seed=self.seed, part=part)
        images = (paint_nuisance(ink, drawn) * 255).round().to(torch.uint8)
        return Split(images, labels), drawn

    def present(self, root: Path) -> Presence:
        problem = Digits().present(root).problem
        counts = {"train": _COUNTS["attacked"], "test": _COUNTS["test"]}
        return Presence(problem=problem) if problem else Presence(splits=counts)

    def download(self, root: Path) -> None:
        """Nothing to do: the images come with scikit-learn."""
