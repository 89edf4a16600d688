"""What all figures share: type, colours that colour-blind readers can tell apart, and files without a date.

A figure is written as SVG and as PNG, by matplotlib's own back ends without pyplot, so that nothing depends
on a display or on what was drawn before. The same input gives the same bytes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from PIL import Image

from lpa3bench.errors import UsageError, plain
from lpa3bench.runtime.files import Writer, make_folders, write_all

LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, without the yellow that is lost on white."""
LINE_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1.5, 2)), (0, (9, 3)))
"""So that lines can be told apart without colour."""
GREY_INK = "#666666"


class Ink(NamedTuple):
    """A colour and a line, and what a caption calls them."""

    colour: str
    word: str
    dash: Any
    line: str

    def __str__(self) -> str:
        return f"{self.word}, {self.line}"


RIGHT, WRONG = (
    Ink(LINE_COLOURS[0], "blue", "-", "solid"),
    Ink(LINE_COLOURS[1], "orange", (0, (3, 1.5)), "dashed"),
)
"""Of frames around what is predicted right, and wrong."""
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "lpa3bench",
    "text.parse_math": False,
    "savefig.facecolor": "white",
}
LEGEND = 40
"""Characters on a line of a legend."""
COLUMN = 2.4
"""Inches that a column of a legend takes at the least."""
ROOM = 0.6
"""Inches that a figure has for its legend."""
DPI = 160
PNG_COLOURS = 256
CLIP_NAME = re.compile(r'(clipPath id="|clip-path="url\(#)(p[0-9a-f]{10})')
_PATH = re.compile(r'(?<= d=")[^"]*')
_NUMBER = re.compile(r"-?\d+\.\d{3,}")


@contextmanager
def styled() -> Iterator[None]:
    """Inside the block matplotlib draws in our style, whatever a user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def canvas(width: float, height: float) -> Figure:
    """An empty figure of so many inches. Call inside `styled`."""
    return Figure(figsize=(width, height), layout="constrained")


def caption(figure: Figure, text: str) -> None:
    """Small print below a figure, wrapped to its width."""
    width = int(figure.get_figwidth() * 17)
    lines = [line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, width)]
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7.5, color="#333333")


def legend_above(figure: Figure, lines: Sequence[Line2D], names: Sequence[str]) -> Legend:
    """One legend for all panels, above them, in as many columns as fit; many rows make the figure higher."""
    wrapped = [textwrap.fill(name, LEGEND) for name in names]
    for across in range(max(1, int(figure.get_figwidth() / COLUMN)), 0, -1):
        legend = figure.legend(lines, wrapped, loc="outside upper left", ncols=across, handlelength=3.2)
        size = legend.get_window_extent()
        if across == 1 or size.width <= figure.bbox.width:
            break
        legend.remove()
    figure.set_figheight(figure.get_figheight() + max(0.0, size.height / figure.dpi - ROOM))
    return legend


def framed(axes: Axes, ink: Ink) -> None:
    """A frame in that colour and line."""
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor=ink.colour, linewidth=2.2)
        spine.set_linestyle(ink.dash)


def save(
    figure: Figure, out: Path, beside: Mapping[Path, Writer] = {}, *, title: str, text: str = ""
) -> list[Path]:
    """Write `out` as SVG and as PNG; a suffix of `out` that is one of these is taken off.

    Args:
        title: what the SVG is called where it cannot be seen.
        text: what else it tells there.
        beside: further files that belong to the figure: all are written, or none.

    Returns:
        The files, the two of the figure last.

    Raises:
        UsageError: it is no file's name.
        RunFailed: the folder cannot be made, or a file cannot be written.
    """
    if not out.name:
        raise UsageError(f"--out {out}: is no file's name")
    stem = out.with_suffix("") if out.suffix in (".svg", ".png") else out

    def svg(temporary: Path) -> None:
        figure.savefig(temporary, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
        svg_text = _named(
            _shortened(_with_clips_numbered(temporary.read_text(encoding="utf-8"))), title, text
        )
        temporary.write_text(plain(svg_text), encoding="utf-8")

    def png(temporary: Path) -> None:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
        in_palette(temporary)

    own = {stem.with_name(f"{stem.name}.{write.__name__}"): write for write in (svg, png)}
    files = {**beside, **own}
    make_folders(file.parent for file in files)
    write_all(files)
    return [*files]


def in_palette(png: Path) -> None:
    """Write a PNG again with `PNG_COLOURS` colours, in about a third of the bytes."""
    with Image.open(png) as image:
        few = image.convert("RGB").quantize(PNG_COLOURS, dither=Image.Dither.NONE)
    few.save(png, format="PNG", optimize=True)


def _with_clips_numbered(svg: str) -> str:
    """The clip paths of an SVG called by their order.

    matplotlib names them by a hash of their exact coordinates. The solver of its constrained layout orders
    its variables by address, so the last bits of these coordinates differ from drawing to drawing.
    """
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"{found[1]}clip{numbers.setdefault(found[2], len(numbers) + 1)}"

    return CLIP_NAME.sub(numbered, svg)


def _shortened(svg: str) -> str:
    """Paths to a hundredth of a point, in half of the bytes."""

    def short(path: re.Match[str]) -> str:
        return " ".join(_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", path[0]).split())

    return _PATH.sub(short, svg)


def _named(svg: str, title: str, text: str) -> str:
    """With a title and a description for who does not see it."""
    head, root, rest = svg.partition("<svg ")
    opening, end, body = rest.partition(">")
    words = f"<title>{escape(title)}</title>" + (f"<desc>{escape(text)}</desc>" if text else "")
    return f'{head}{root}role="img" {opening}{end}\n {words}{body}'
