"""scikit-learn's handwritten digits: 1,797 grey images of 8×8 pixels that need no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split, WeakView
from lpa3bench_plugins.datasets.files import check_normalisation

# Of every ten samples of a class, in the order they are stored, the places that go to each split. Neighbours
# were often written by the same hand, so taking turns gives every split all hands.
TURNS = {"train": (0, 2, 4, 6, 8), "val": (5,), "test": (1, 3, 7, 9)}
_COUNTS = {"train": 901, "val": 179, "test": 717}
INK_LEVELS = 16


class Digits(Dataset):
    """Digits of the UCI repository's test set, as scikit-learn ships them.

    It has no split of its own. Ours is fixed and stratified: of each class, in stored order, half of the
    samples are for training (901), a tenth for validation (179) and four tenths for testing (717). Ink from 0
    to 16 is scaled to bytes. Digits must not be flipped; the weak view moves them by up to one pixel.

    Args:
        mean: of images in [0, 1]; the default is the training split's.
        std: as `mean`.
    """

    def __init__(self, *, mean: tuple[float, ...] = (0.3049,), std: tuple[float, ...] = (0.3759,)) -> None:
        check_normalisation(mean, std, channels=1)
        self.mean = tuple(mean)
        self.std = tuple(std)

    @property
    def spec(self) -> DatasetSpec:
        return DatasetSpec(
            name="Digits",
            num_classes=10,
            class_names=tuple("0123456789"),
            channels=1,
            size=8,
            mean=self.mean,
            std=self.std,
            weak=WeakView(flip=False, pad=1, mode="constant"),
        )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        from sklearn.datasets import load_digits

        pixels, target = load_digits(return_X_y=True)
        images = torch.from_numpy(np.rint(pixels * (255 / INK_LEVELS)).astype(np.uint8)).view(-1, 1, 8, 8)
        labels = torch.from_numpy(target.astype(np.int64))
        turn = torch.empty_like(labels)
        for label in range(10):
            mine = labels == label
            turn[mine] = torch.arange(int(mine.sum())) % 10
        chosen = {name: torch.isin(turn, torch.tensor(turns)) for name, turns in TURNS.items()}
        return {name: Split(images[mask], labels[mask]) for name, mask in chosen.items()}

    def present(self, root: Path) -> Presence:
        return Presence(splits=_COUNTS)

    def download(self, root: Path) -> None:
        """Nothing to do: the images come with scikit-learn."""
