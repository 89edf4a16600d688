"""Folders of made-up images, for the tests of `Images` and of what it keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COUNTS = {"train": 3, "val": 1, "test": 2}
"""Images of each class."""
CLASSES = ("ant", "bee", "cat")


def draw(path: Path, value: int, size: tuple[int, int] = (12, 12)) -> Path:
    """A noisy image around a value."""
    noise = np.random.default_rng(value).integers(-20, 20, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((value + noise).clip(0, 255).astype(np.uint8)).save(path)
    return path


def made_folder(tmp_path: Path) -> Path:
    """Three classes in three splits; `train/bee/1.png` and so on."""
    for split, count in COUNTS.items():
        for label, name in enumerate(CLASSES):
            for place in range(count):
                draw(tmp_path / "mine" / split / name / f"{place}.png", 40 + 70 * label + place)
    return tmp_path / "mine"


def listing(folder: Path) -> dict[str, int]:
    """All that lies in a folder, and when it was last changed."""
    return {str(path): path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
