"""Halves of a data set that share no image: one for the network under attack, one for the judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from torch import Tensor

from lpa3bench.api import Dataset, DatasetSpec, Split
from lpa3bench.errors import DataError
from lpa3bench.runtime.seeding import Draws, derive


class CardFold(Dataset):
    """One half of another data set's training or test images.

    The halves are drawn without regard to labels, by the seed alone: the two parts of one data set and seed
    share no image. There is no validation split.

    Args:
        dataset: the one that is cut.
        part: "attacked": the half that the network under attack is trained on; "judge": the other one.
        of: what is cut. "train": both parts are scored on the whole test split. "test", for a network that
            has seen all training images: the judge is trained on one half of the test split, and scored, as
            the attacked part is, on the other.
        seed: of the draw.

    Raises:
        ValueError: there is no such part or split.
    """

    def __init__(
        self,
        *,
        dataset: Dataset,
        part: Literal["attacked", "judge"],
        of: Literal["train", "test"] = "train",
        seed: int = 0,
    ) -> None:
        for name, value, choices in (("part", part, ("attacked", "judge")), ("of", of, ("train", "test"))):
            if value not in choices:
                raise ValueError(f"{name}: must be {choices[0]!r} or {choices[1]!r}, not {value!r}")
        self.dataset = dataset
        self.part = part
        self.of = of
        self.seed = seed

    @property
    def spec(self) -> DatasetSpec:
        """That of the whole."""
        return replace(self.dataset.spec)

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        """Half of it.

        Raises:
            DataError: the data set is missing, damaged, or has no two images to part.
        """
        splits = self.dataset.load(root, cache=cache)
        if missing := {"train", "test"} - splits.keys():
            raise DataError(f"{self.spec.name}: there is no {' and no '.join(sorted(missing))} split")
        first, second = self.halves(len(splits[self.of].labels))
        if self.of == "train":
            mine = first if self.part == "attacked" else second
            return {"train": _taken(splits["train"], mine), "test": splits["test"]}
        train = splits["train"] if self.part == "attacked" else _taken(splits["test"], second)
        return {"train": train, "test": _taken(splits["test"], first)}

    def halves(self, count: int) -> tuple[Tensor, Tensor]:
        """Which of `count` images lie in each half: two ascending int64 tensors.

        Raises:
            DataError: there are fewer than two.
        """
        if count < 2:
            raise DataError(f"{self.spec.name}: {count} images are too few for two halves")
        order = Draws(derive(self.seed, "card", "folds")).permutation(count)
        return order[: count // 2].sort().values, order[count // 2 :].sort().values


def _taken(split: Split, places: Tensor) -> Split:
    ids = None if split.ids is None else tuple(split.ids[place] for place in places.tolist())
    return Split(split.images[places], split.labels[places], ids)
