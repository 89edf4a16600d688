"""What all figures share: type, colours that colour-blind readers can tell apart, and files without a date.

A figure is written as SVG and as PNG, by matplotlib's own back ends without pyplot, so that nothing depends
on a display or on what was drawn before. The same input gives the same bytes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from lpa3bench.errors import UsageError, plain
from lpa3bench.runtime.files import Writer, make_folders, write_all

LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, without the yellow that is lost on white."""
LINE_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1.5, 2)), (0, (9, 3)))
"""So that lines can be told apart without colour."""
RIGHT_INK, WRONG_INK, GREY_INK = LINE_COLOURS[0], LINE_COLOURS[1], "#666666"
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
DPI = 200
CLIP_NAME = re.compile(r'(clipPath id="|clip-path="url\(#)(p[0-9a-f]{10})')


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


def save(figure: Figure, out: Path, beside: Mapping[Path, Writer] = {}) -> list[Path]:
    """Write `out` as SVG and as PNG; a suffix of `out` that is one of these is taken off.

    Args:
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
        _number_clips(temporary)

    def png(temporary: Path) -> None:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})

    own = {stem.with_name(f"{stem.name}.{write.__name__}"): write for write in (svg, png)}
    files = {**beside, **own}
    make_folders(file.parent for file in files)
    write_all(files)
    return [*files]


def _number_clips(svg: Path) -> None:
    """Name the clip paths of an SVG by their order.

    matplotlib names them by a hash of their exact coordinates. The solver of its constrained layout orders
    its variables by address, so the last bits of these coordinates differ from drawing to drawing.
    """
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"{found[1]}clip{numbers.setdefault(found[2], len(numbers) + 1)}"

    svg.write_text(plain(CLIP_NAME.sub(numbered, svg.read_text(encoding="utf-8"))), encoding="utf-8")
