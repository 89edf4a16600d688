"""The paper's Fig. 3: test images and their views, with heat maps and predictions."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes

from lpa3bench.report.figures.drawing import GREY_INK, RIGHT, WRONG, canvas, caption, framed, save, styled
from lpa3bench.report.figures.series import AUGMENTER_NAMES

CELL = 1.12
"""Inches of one picture."""
LABEL = 14
LONG_LABEL = 22
"""Characters of a row's name that fit beside a picture, and in smaller type."""
HEAT_COLOURS = "viridis"
"""Yellow is important, as in the paper."""
HEAT_WEIGHT = 0.55
UNSELECTED = "not selected"
_Array = np.ndarray[Any, Any]


class PictureRow(Protocol):
    """One row: the same images through one augmenter, and what a network makes of them."""

    @property
    def name(self) -> str: ...

    @property
    def images(self) -> _Array:
        """float [B, H, W, C] in [0, 1], C 1 or 3; NaN where there is no view."""

    @property
    def heat(self) -> _Array:
        """float [B, H, W] in [0, 1], or NaN."""

    @property
    def predicted(self) -> _Array:
        """int [B], the class."""

    @property
    def confidence(self) -> _Array:
        """float [B], the probability of the true class."""

    @property
    def selected(self) -> _Array:
        """bool [B], whether training would have made a view of the image."""

    @property
    def about(self) -> str:
        """The augmenter's parameters and recipe; empty for the images themselves."""


def overlay(image: _Array, heat: _Array) -> _Array:
    """A picture [H, W, C] under its heat map [H, W]: float [H, W, 3] in [0, 1]."""
    from matplotlib import colormaps

    coloured = colormaps[HEAT_COLOURS](heat)[..., :3]
    mixed: _Array = HEAT_WEIGHT * coloured + (1 - HEAT_WEIGHT) * _coloured(image)
    return np.clip(mixed, 0, 1)


def draw_augment(rows: Sequence[PictureRow], labels: _Array, text: str, out: Path) -> list[Path]:
    """Draw it and write SVG and PNG.

    Each image has two pictures in a row, itself and below it its heat map, in a frame that tells whether it
    is predicted right, and under them the probability of the true class.

    Args:
        rows: the first is that of the originals.
        labels: int [B], the true classes.
        text: the small print; what frames and numbers mean and what each row says of its augmenter is added.
        out: as `drawing.save` takes it.
    """
    count = len(labels)
    with styled():
        figure = canvas(0.75 + count * CELL, 0.75 + len(rows) * (2 * CELL + 0.5))
        grid = figure.subplots(2 * len(rows), count, squeeze=False)
        for place, row in enumerate(rows):
            upper, lower = grid[2 * place], grid[2 * place + 1]
            for column in range(count):
                if place == 0:
                    upper[column].set_title(f"class {labels[column]}")
                _cell(upper[column], lower[column], row, column, int(labels[column]))
            name = AUGMENTER_NAMES.get(row.name, row.name)
            width, size = (LABEL, 9) if len(name) <= LABEL else (LONG_LABEL, 6.5)
            upper[0].set_ylabel("\n".join(textwrap.wrap(name, width)), fontweight="bold", fontsize=size)
            lower[0].set_ylabel("Score-CAM")
        about = [f"{AUGMENTER_NAMES.get(row.name, row.name)}: {row.about}." for row in rows if row.about]
        text = "\n".join([f"{text} {_frames(rows)}", *about])
        caption(figure, text)
        names = ", ".join(AUGMENTER_NAMES.get(row.name, row.name) for row in rows)
        return save(figure, out, title=f"{len(labels)} test images with heat maps: {names}", text=text)


def _frames(rows: Sequence[PictureRow]) -> str:
    said = (
        f"Frame: {RIGHT.word} and {RIGHT.line} where the prediction is right, {WRONG.word} and {WRONG.line} "
        "where it is wrong; below it the probability of the true class."
    )
    if all(row.selected.all() for row in rows):
        return said
    return (
        f"{said} {UNSELECTED.capitalize()}: the view is shown, but in training the selection leaves it out."
    )


def _cell(upper: Axes, lower: Axes, row: PictureRow, column: int, label: int) -> None:
    image, heat = row.images[column], row.heat[column]
    missing = bool(np.isnan(image).any())
    right = int(row.predicted[column]) == label
    for axes, picture in ((upper, image), (lower, heat)):
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        if missing:
            axes.set_frame_on(False)
            continue
        shown = _coloured(image) if picture is image else overlay(image, heat)
        axes.imshow(shown, interpolation="nearest", vmin=0, vmax=1)
        framed(axes, RIGHT if right else WRONG)
    if missing:
        upper.text(0.5, 0.5, "no view", ha="center", va="center", transform=upper.transAxes, color=GREY_INK)
        return
    said = f"{100 * row.confidence[column]:.1f} %" + ("" if right else f", says {row.predicted[column]}")
    lower.set_xlabel(said, color=(RIGHT if right else WRONG).colour, fontsize=8)
    if not row.selected[column]:
        upper.set_title(UNSELECTED, color=GREY_INK, fontsize=8, style="italic", pad=3)


def _coloured(image: _Array) -> _Array:
    """[H, W, 1 or 3] as [H, W, 3]."""
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
