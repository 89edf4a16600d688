"""Fig. 3: frames tell right from wrong, in the colours that the caption says."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lpa3bench.report.figures.augment import draw_augment, overlay
from lpa3bench.report.figures.drawing import RIGHT, WRONG

LABELS = np.array([0, 1, 2])


@dataclass
class Row:
    name: str
    images: Any
    heat: Any
    predicted: Any
    confidence: Any
    selected: Any
    about: str = ""


def row(name: str, predicted: list[int], channels: int = 1) -> Row:
    draws = np.random.default_rng(len(name))
    missing = np.array(predicted) == -1
    made = Row(
        name,
        draws.random((3, 4, 4, channels)),
        draws.random((3, 4, 4)),
        np.array(predicted),
        np.array([0.125, 0.5, 0.75]),
        np.ones(3, dtype=bool),
    )
    for values in (made.images, made.heat, made.confidence):
        values[missing] = np.nan
    return made


def svg(rows: list[Row], folder: Path, name: str = "a") -> str:
    files = draw_augment(rows, LABELS, "small print", folder / name)
    return files[0].read_text(encoding="utf-8")


def frames(text: str) -> tuple[int, int]:
    """Lines of frames in the colour for right, and in that for wrong: four a picture, two pictures a cell."""
    strokes = re.findall(r'style="[^"]*stroke: (#\w+); stroke-width: 2.2[^"]*"', text)
    return strokes.count(RIGHT.colour.lower()), strokes.count(WRONG.colour.lower())


@pytest.mark.parametrize(
    ("predicted", "right", "wrong"),
    [([0, 1, 2], 3, 0), ([0, 2, 2], 2, 1), ([1, 2, 0], 0, 3), ([0, -1, 1], 1, 1)],
)
def test_frames_follow_correctness(tmp_path: Path, predicted: list[int], right: int, wrong: int) -> None:
    text = svg([row("original", predicted)], tmp_path)
    assert frames(text) == (8 * right, 8 * wrong)
    assert text.count("no view") == predicted.count(-1)


def test_what_stands_under_and_beside_the_pictures(tmp_path: Path) -> None:
    lpa3 = row("LPA3", [0, 1, 2])
    lpa3.about = "margin=<0.02>"
    text = svg([row("original", [0, 2, 2]), row("<b>Mine</b>", [0, 1, 2]), lpa3], tmp_path)
    assert "LP-A3: margin=&lt;0.02&gt;." in text
    assert "12.5 %" in text
    assert "50.0 %, says 2" in text
    assert "&lt;b&gt;Mine&lt;/b&gt;" in text
    assert "LP-A3" in text
    assert "class 2" in text
    assert "small print" in text
    assert text.count("<image") == 2 * 9


def test_the_caption_calls_frames_as_they_are_drawn(tmp_path: Path) -> None:
    text = " ".join(re.sub(r"<[^>]*>", " ", svg([row("original", [0, 2, 2])], tmp_path)).split())
    assert "Frame: blue and solid where the prediction is right, orange and dashed where it is wrong" in text
    assert str(WRONG) == "orange, dashed"


def test_what_the_selection_leaves_out_is_marked(tmp_path: Path) -> None:
    rows = [row("original", [0, 1, 2]), row("LPA3", [0, 1, 2])]
    assert "not selected" not in svg(rows, tmp_path).lower()
    rows[1] = replace(rows[1], selected=np.array([True, False, False]))
    text = svg(rows, tmp_path)
    assert text.count(">not selected<") == 2
    assert "Not selected: the view is shown" in text


def test_grey_and_coloured_pictures_give_the_same_bytes_again(tmp_path: Path) -> None:
    for channels in (1, 3):
        rows = [row("original", [0, 1, 2], channels)]
        assert svg(rows, tmp_path, "once") == svg(rows, tmp_path, "again")


def test_what_is_important_is_yellow() -> None:
    image = np.full((1, 2, 1), 0.5)
    low, high = overlay(image, np.array([[0.0, 1.0]]))[0]
    assert high[0] > high[2] + 0.3
    assert high[1] > high[2] + 0.3
    assert high.mean() > low.mean()
