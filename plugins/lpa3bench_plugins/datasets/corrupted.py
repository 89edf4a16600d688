"""Another data set, its test images corrupted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split
from lpa3bench.types import SEVERITIES, Corruption

if TYPE_CHECKING:
    from lpa3bench.data.pixels import Decoder


class Corrupted(Dataset):
    """One of the fifteen common corruptions (Hendrycks & Dietterich 2019) of the test split; the other splits
    are as they were. Images may be of any size, grey or colour.

    Constants are those of CIFAR-C, from a side of 64 pixels on those of ImageNet-C. `frost` is a made-up
    pattern. docs/robustness.md has the rest.

    Args:
        of: the data set.
        kind: which corruption.
        severity: 1 (weak) to 5.
        seed: of what is drawn; the same one makes the same images.
    """

    paper = "https://arxiv.org/abs/1903.12261"

    def __init__(self, *, of: Dataset, kind: Corruption, severity: int = 3, seed: int = 0) -> None:
        if severity not in SEVERITIES:
            raise ValueError(f"severity: must be one of {SEVERITIES}, not {severity}")
        if seed < 0:
            raise ValueError(f"seed: must be >= 0, not {seed}")
        self.of = of
        self.kind = kind
        self.severity = severity
        self.seed = seed
        self.train_images = of.train_images

    @property
    def spec(self) -> DatasetSpec:
        spec = self.of.spec
        return replace(spec, name=f"{spec.name} ({self.kind} {self.severity})")

    @property
    def decoder(self) -> Decoder:
        return self.of.decoder

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        from lpa3bench.data.corruptions import corrupted

        splits = self.of.load(root, cache=cache)
        images, labels, ids = splits["test"]
        changed = corrupted(images, self.kind, self.severity, seed=self.seed)
        return {**splits, "test": Split(changed, labels, ids)}

    def present(self, root: Path) -> Presence:
        return self.of.present(root)

    def verify(self, root: Path) -> dict[str, int]:
        return self.of.verify(root)

    def unofficial(self, root: Path) -> str | None:
        return self.of.unofficial(root)

    def warnings(self, root: Path) -> tuple[str, ...]:
        return self.of.warnings(root)

    def found(self, root: Path) -> Mapping[str, Mapping[str, int]]:
        return self.of.found(root)

    def download(self, root: Path) -> None:
        self.of.download(root)
