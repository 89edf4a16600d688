"""What all figures share: the same input gives the same bytes, and nothing of the outside gets in."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib import colors
from matplotlib.figure import Figure
from PIL import Image

from lpa3bench.errors import RunFailed, UsageError
from lpa3bench.report.figures.drawing import (
    LINE_COLOURS,
    PNG_COLOURS,
    RIGHT,
    WRONG,
    Ink,
    canvas,
    caption,
    legend_above,
    save,
    styled,
)

SHIPPED = Path(__file__).parents[3]
LARGEST = 300_000
"""Bytes of a file that is shipped."""
HUES = {"red": (345, 15), "orange": (15, 45), "yellow": (45, 70), "green": (90, 170), "blue": (190, 255)}
"""Degrees of the colour circle that people call so."""


def draw(out: Path, text: str = "a") -> list[Path]:
    with styled():
        figure = canvas(3, 2)
        axes = figure.subplots()
        axes.plot([1, 2], [3, 4], label=text)
        axes.legend()
        caption(figure, "small print " * 20)
        return save(figure, out, title=f"Curve {text}", text="small print")


def test_the_same_bytes_whatever_was_drawn_before(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in draw(tmp_path / "first")]
    draw(tmp_path / "other", "another")
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "mine", "lines.linewidth": 9}):
        second = [path.read_bytes() for path in draw(tmp_path / "second")]
    assert second == first
    svg, png = first
    assert svg.startswith(b"<?xml")
    assert b"<dc:date>" not in svg
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("names", "across"),
    [(["LP-A3", "PGD", "VAT"], 3), ([f"{n} " + "a long name " * 5 for n in range(14)], 2)],
)
def test_a_legend_has_as_many_columns_as_fit_and_the_panels_keep_their_room(
    names: list[str], across: int
) -> None:
    with styled():
        figure = canvas(7.7, 4.2)
        axes = figure.subplots()
        (line,) = axes.plot([1, 2], [3, 4])
        legend = legend_above(figure, [line] * len(names), names)
        figure.draw_without_rendering()
        assert len({round(text.get_window_extent().x0) for text in legend.get_texts()}) == across
        assert legend.get_window_extent().x1 <= figure.bbox.width
        assert axes.bbox.height / figure.dpi > 3
        assert (figure.get_figheight() == 4.2) == (len(names) == 3)


@pytest.mark.parametrize("failing", ["write", "svg", "png"])
def test_a_full_disk_leaves_what_belongs_together_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """The two of a figure, and what is written beside them."""
    draw(tmp_path / "a", "before")
    (tmp_path / "card.json").write_text("before")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    plain = Figure.savefig

    def full(figure: Figure, path: Path, *, format: str, **options: object) -> None:
        if format == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(figure, path, format=format, **options)

    def beside(path: Path) -> None:
        path.write_text("af" if failing == "write" else "after")
        if failing == "write":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with styled(), pytest.raises(RunFailed, match="free some space"):
        save(canvas(1, 1), tmp_path / "a", {tmp_path / "card.json": beside}, title="a")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_text_is_text_and_nothing_in_it_is_markup(tmp_path: Path) -> None:
    svg, _ = draw(tmp_path / "a", "<script>alert(1)</script> & $x_1$")
    text = svg.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $x_1$" in text
    assert "<script" not in text


def test_the_last_bits_of_a_layout_change_nothing(tmp_path: Path) -> None:
    """The layout's solver leaves them to chance."""
    texts = []
    for place, left in enumerate((0.3, 0.1 + 0.2)):
        with styled():
            figure = Figure(figsize=(3, 2))
            for bottom in (0.1, 0.6):
                figure.add_axes((left, bottom, 0.5, 0.3)).plot([1, 2], [3, 4])
            texts.append(save(figure, tmp_path / str(place), title="a")[0].read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    names = re.findall(r'<clipPath id="(\w+)"', texts[0])
    assert len({*names}) == len(names) == 2
    assert {*re.findall(r'clip-path="url\(#(\w+)\)"', texts[0])} == {*names}


@pytest.mark.parametrize("name", ["a", "a.svg", "a.png", "a.b"])
def test_both_files_whatever_suffix_was_given(tmp_path: Path, name: str) -> None:
    stem = "a.b" if name == "a.b" else "a"
    assert draw(tmp_path / name) == [tmp_path / f"{stem}.svg", tmp_path / f"{stem}.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{stem}.png", f"{stem}.svg"]


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    assert all(file.is_file() for file in draw(tmp_path / "nowhere" / "yet" / "a"))
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match=r"file/below: cannot be made"):
        draw(tmp_path / "file" / "below" / "a")
    with pytest.raises(UsageError, match=r"--out \.: is no file's name"):
        draw(Path())


def _luminance(colour: str) -> float:
    red, green, blue = (
        c / 12.92 if c <= 0.04 else ((c + 0.055) / 1.055) ** 2.4 for c in colors.to_rgb(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_are_seen_on_white() -> None:
    """WCAG's contrast for graphics is 3; the lighter ones come late and have their own dashes."""
    contrast = {colour: 1.05 / (_luminance(colour) + 0.05) for colour in LINE_COLOURS}
    assert all(contrast[colour] > 3 for colour in (RIGHT.colour, WRONG.colour, LINE_COLOURS[2]))
    assert min(contrast.values()) > 2
    assert len({*LINE_COLOURS}) == len(LINE_COLOURS) == 7


@pytest.mark.parametrize("ink", [RIGHT, WRONG])
def test_an_ink_has_the_colour_and_the_line_that_captions_say(ink: Ink) -> None:
    hue = 360 * colors.rgb_to_hsv(colors.to_rgb(ink.colour))[0]
    least, most = HUES[ink.word]
    assert (hue - least) % 360 <= (most - least) % 360
    assert (ink.line == "solid") == (ink.dash == "-")


def test_an_svg_says_what_it_is_where_it_is_not_seen(tmp_path: Path) -> None:
    root = ElementTree.parse(draw(tmp_path / "a", "<b> & c")[0]).getroot()
    assert root.get("role") == "img"
    first, second = [*root][:2]
    assert (first.tag.rpartition("}")[2], first.text) == ("title", "Curve <b> & c")
    assert (second.tag.rpartition("}")[2], second.text) == ("desc", "small print")


def test_files_are_no_larger_than_they_look(tmp_path: Path) -> None:
    svg, png = draw(tmp_path / "a")
    paths = re.findall(r' d="([^"]*)"', svg.read_text(encoding="utf-8"))
    assert any("." in path for path in paths)
    assert not re.findall(r"\d\.\d{3,}", " ".join(paths)), "hundredths of a point are not seen"
    with Image.open(png) as image:
        assert image.mode == "P"
        assert len(image.getcolors() or ()) <= PNG_COLOURS


def test_what_is_shipped_is_small_and_has_a_name() -> None:
    files = [
        path
        for folder in ("leaderboards/figures", "docs/pictures")
        for path in (SHIPPED / folder).rglob("*")
        if path.suffix in (".svg", ".png")
    ]
    assert {path.suffix for path in files} == {".svg", ".png"}
    assert {path.name: size for path in files if (size := path.stat().st_size) >= LARGEST} == {}
    for path in files:
        if path.suffix == ".svg":
            root = ElementTree.parse(path).getroot()
            assert root.get("role") == "img", path
            assert next(iter(root)).tag.endswith("}title"), path
