"""Which class was taken for which: a confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lpa3bench.report.figures.drawing import canvas, caption, save, styled

WRITTEN_OUT = 20
"""Classes up to which each cell has its number."""
NAMED = 60
"""Classes up to which each has its name at the axes."""
_LONGEST_NAME = 24
CONFUSION_CAPTION = (
    "{split} images by their class (rows) and by the class predicted (columns); a cell's shade is its share "
    "of the row."
)


def draw_confusion(
    images: Sequence[Sequence[int]], names: Sequence[str], out: Path, *, title: str, text: str
) -> list[Path]:
    """Draw counts and write SVG and PNG.

    Args:
        images: [K, K], by class and by the class predicted.
        names: of the classes.
        title: above the matrix.
        text: small print below it.
    """
    counts = np.array(images)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    classes = len(names)
    side = min(9.0, 2.6 + 0.34 * classes)
    with styled():
        figure = canvas(side + 0.8, side + 0.6)
        axes = figure.subplots()
        axes.grid(visible=False)
        shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(shown, ax=axes, shrink=0.7, label="share of the row")
        if classes <= NAMED:
            words = [
                name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in names
            ]
            axes.set_xticks(range(classes), words, rotation=90)
            axes.set_yticks(range(classes), words)
        if classes <= WRITTEN_OUT:
            for (row, column), count in np.ndenumerate(counts):
                ink = "white" if shares[row, column] > 0.5 else "black"
                if count:
                    axes.text(column, row, str(count), ha="center", va="center", color=ink, fontsize=7.5)
        axes.set_xlabel("predicted")
        axes.set_ylabel("class")
        axes.set_title(title, loc="left", fontweight="bold")
        caption(figure, text)
        return save(figure, out, title=f"Confusion matrix: {title}", text=text)
