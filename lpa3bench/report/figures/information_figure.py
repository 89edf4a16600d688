"""Bits of label and nuisances in trained representations, as a picture: a column for each target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from lpa3bench.report.figures.drawing import GREY_INK, LINE_COLOURS, canvas, caption, save, styled
from lpa3bench.report.figures.measured_bits import (
    Information,
    InformationRow,
    MeasuredBits,
    MeasuredTarget,
    information_of,
    told,
)
from lpa3bench.report.numbers import format_p
from lpa3bench.runtime.files import text_writer

INFORMATION_CAPTION = (
    "Z: what the linear head of the trained network reads. Bits: entropy of the target less the held-out "
    "cross-entropy of small networks trained to read it off Z, a lower bound of I(Z; target); 0 where "
    "negative. Above: mean over seeds with one standard deviation (n − 1) each way, small dots single "
    "runs; the dashed line is the entropy, the most there can be. Grey: pixels, read by a convolutional "
    "probe; and images whose truth is known through the networks without an augmenter: swapped within "
    "their class (the label stays, the nuisances are another image's) and blank. Below: difference from "
    "the first row, paired by seed, with its 95 % sign-flip interval and p after Holm's correction over "
    "all differences; filled where p ≤ 0.05. Found bits are there; bits not found may be there too."
)


def draw_information(file: MeasuredBits, out: Path) -> list[Path]:
    """Draw a file of measured bits as SVG and PNG, and write it beside them as JSON.

    Returns:
        The three files, JSON first.
    """
    found = information_of(file)
    n = sorted({len(arm.runs) for arm in file.arms})
    seeds = f"n = {n[0]}" if len(n) == 1 else f"n = {n[0]} to {n[-1]}"
    with styled():
        rows, others = len(found.arms) + len(found.references), len(found.arms) - 1
        figure = canvas(2.0 + 2.4 * len(found.targets), 1.9 + 0.23 * (rows + others))
        ratios = [rows, max(others, 1)]
        grid = figure.subplots(
            2, len(found.targets), squeeze=False, sharey="row", height_ratios=ratios, sharex=False
        )
        for place, target in enumerate(found.targets):
            _bits(grid[0, place], found, target)
            _differences(grid[1, place], found.arms[1:], target)
        figure.suptitle(
            f"What trained representations tell, {found.dataset} ({seeds})", x=0.01, ha="left", fontsize=10.5
        )
        caption(figure, INFORMATION_CAPTION)
        title = f"Bits of {', '.join(t.name for t in found.targets)} in representations by augmenter"
        stem = out.with_suffix("") if out.suffix in (".json", ".svg", ".png") else out
        beside = {stem.with_name(f"{stem.name}.json"): text_writer(file.text())}
        return save(figure, stem, beside, title=title, text=INFORMATION_CAPTION)


def _bits(axes: Axes, found: Information, target: MeasuredTarget) -> None:
    rows = (*found.arms, *found.references)
    for place, row in enumerate(rows):
        colour = GREY_INK if row in found.references else LINE_COLOURS[1 if place == 0 else 0]
        summary, bits = row.summary(target.name), row.bits[target.name]
        axes.plot(bits, [place] * len(bits), ".", color=colour, alpha=0.35, markersize=4, markeredgewidth=0)
        axes.errorbar(
            summary.mean or 0.0, place, xerr=summary.std or 0.0, color=colour, marker="o", markersize=4.5,
            capsize=2.5, linewidth=1.4,
        )  # fmt: skip
    axes.axvline(target.entropy, color="black", linestyle=(0, (4, 2)), linewidth=1)
    axes.axhline(len(found.arms) - 0.5, color="#bbbbbb", linewidth=0.8)
    axes.set_title(f"{target.name}, of {target.entropy:.2f} bits", loc="left", fontweight="bold")
    axes.set_xlim(-0.08 * target.entropy, 1.06 * target.entropy)
    axes.set_xlabel("bits found in Z")
    _named(axes, rows)


def _differences(axes: Axes, rows: Sequence[InformationRow], target: MeasuredTarget) -> None:
    axes.axvline(0, color=LINE_COLOURS[1], linewidth=1)
    for place, row in enumerate(rows):
        test = row.tests[target.name]
        if test.difference is None:
            continue
        if test.low is not None and test.high is not None:
            axes.plot([test.low, test.high], [place, place], color=LINE_COLOURS[0], linewidth=1.4)
        filled = told(test) in ("more", "fewer")
        axes.plot(
            test.difference, place, "o", markersize=5, color=LINE_COLOURS[0],
            markerfacecolor=LINE_COLOURS[0] if filled else "white",
        )  # fmt: skip
        axes.annotate(
            f"p {format_p(test.p_holm)}", (1.0, place), xycoords=("axes fraction", "data"), ha="right",
            va="bottom", fontsize=6.5, color=GREY_INK,
        )  # fmt: skip
    axes.margins(x=0.12)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.25 * (right - left))  # beside the intervals, for p
    axes.set_xlabel("difference in bits")
    _named(axes, rows)


def _named(axes: Axes, rows: Sequence[InformationRow]) -> None:
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
