"""What labels are made with, for tests that call them without a run."""

from __future__ import annotations

from pathlib import Path

from lpa3bench.api import LabelContext
from lpa3bench.runtime.seeding import Draws


def context(num_classes: int, seed: int = 0, root: Path = Path("nowhere")) -> LabelContext:
    return LabelContext(num_classes=num_classes, draws=Draws(seed), root=root, seed=seed)
