"""scikit-learn's handwritten digits: 1,797 grey images of 8×8 pixels that need no download."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split, WeakView
from lpa3bench.errors import DataError
from lpa3bench_plugins.datasets.files import check_normalisation

# Of every ten samples of a class, in the order they are stored, the places that go to each split. Neighbours
# were often written by the same hand, so taking turns gives every split all hands.
TURNS = {"train": (0, 2, 4, 6, 8), "val": (5,), "test": (1, 3, 7, 9)}
_COUNTS = {"train": 901, "val": 179, "test": 717}
INK_LEVELS = 16
SPLIT_SEEDS = 2**32
"""As many as there are seeds of `RandomState`."""


_FILE = "datasets/data/digits.csv.gz"
"""Below the folder of scikit-learn: a line for each image, 64 levels of ink and the digit."""
_CURE = "install scikit-learn again"


def _file() -> Path:
    """Where scikit-learn has the digits; it takes two seconds to import, and is not.

    Raises:
        DataError: they are not there.
    """
    package = find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        if (path := Path(folder) / _FILE).is_file():
            return path
    raise DataError(f"Digits: scikit-learn is not here with its {_FILE}; {_CURE}")


def digits_table() -> np.ndarray:
    """float64 [1797, 65]: 64 levels of ink and the digit of each image, as scikit-learn stores them.

    Raises:
        DataError: the file is not there, or damaged.
    """
    path = _file()
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            table = np.loadtxt(lines, delimiter=",")
        if table.shape != (sum(_COUNTS.values()), 65):
            raise ValueError(f"it holds {list(table.shape)} numbers")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"Digits: {path} is damaged ({error}); {_CURE}") from error
    return table


def _orders(target: np.ndarray, split: int) -> Iterator[np.ndarray]:
    """For each class the places of its samples: of split 0 as they are stored, of others drawn.

    numpy never changes the numbers of a `RandomState`, so the k-th split is the same everywhere.
    """
    state = np.random.RandomState(split)
    for label in range(10):
        count = int((target == label).sum())
        yield state.permutation(count) if split else np.arange(count)


class Digits(Dataset):
    """Digits of the UCI repository's test set, as scikit-learn ships them.

    It has no split of its own. Ours are fixed and stratified: of each class half of the samples are for
    training (901), a tenth for validation (179) and four tenths for testing (717), in stored order or, of
    another split, in one drawn for it. Ink from 0 to 16 is scaled to bytes. Digits must not be flipped; the
    weak view moves them by up to one pixel.

    Args:
        mean: of images in [0, 1]; the default is that of the training images of split 0.
        std: as `mean`.
        split: the k-th of the splits. Runs with one share their test images, whatever their seeds; so what
            they show holds for these 717 images, and other splits tell how much it depends on them.
    """

    paper = "https://doi.org/10.24432/C50P49"

    added = ("split",)

    def __init__(
        self,
        *,
        mean: tuple[float, ...] = (0.3049,),
        std: tuple[float, ...] = (0.3759,),
        split: int = 0,
    ) -> None:
        check_normalisation(mean, std, channels=1)
        if not 0 <= split < SPLIT_SEEDS:
            raise ValueError(f"split: must be in [0, {SPLIT_SEEDS}), not {split}")
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.split = split

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
        import torch

        table = digits_table()
        pixels, target = table[:, :-1], table[:, -1]
        images = torch.from_numpy(np.rint(pixels * (255 / INK_LEVELS)).astype(np.uint8)).view(-1, 1, 8, 8)
        labels = torch.from_numpy(target.astype(np.int64))
        turn = torch.empty_like(labels)
        for label, order in enumerate(_orders(target, self.split)):
            turn[labels == label] = torch.from_numpy(order % 10)
        chosen = {name: torch.isin(turn, torch.tensor(turns)) for name, turns in TURNS.items()}
        return {name: Split(images[mask], labels[mask]) for name, mask in chosen.items()}

    def present(self, root: Path) -> Presence:
        try:
            _file()
        except DataError as error:
            return Presence(problem=str(error))
        return Presence(splits=_COUNTS)

    def download(self, root: Path) -> None:
        """Nothing to do: the images come with scikit-learn."""
