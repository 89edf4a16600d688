"""The critical-difference diagram of a ranking, drawn by scikit-posthocs, as SVG that stands in the page.

Mean ranks on an axis, joined by bars where no test parts them (Demšar, 2006). The page forbids all styles but
its own, so what matplotlib writes as styles becomes attributes; black becomes the colour of the page's text,
light or dark, and the type the page's.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from lpa3bench.stats import Ranks, p_matrix

WIDTH, STEP, TOP, LETTER, TYPE = 520, 21, 34, 7.6, 12
"""In pixels: the axis, from one name to the next, the room above the axis, of a letter, and of the type."""
GAP = 0.03
"""From the outermost method to the names, as a share of the axis."""
INK = "#000000"
LEFT_OUT = ("metadata", "defs")
KEPT = (
    "viewBox", "d", "x", "y", "transform", "fill", "stroke", "stroke-width", "stroke-linecap", "text-anchor",
)  # fmt: skip
"""Attributes, and styles that are attributes of SVG as well."""


def diagram(ranking: Ranks, names: Mapping[str, str]) -> Markup | None:
    """The `svg` element, the same for the same ranking, byte for byte.

    None where fewer than three methods are ranked, or where too few columns allow any verdict.

    Args:
        names: of the methods, by key.
    """
    if len(ranking.rows) < 3 or all(pair["verdict"] == "not testable" for pair in ranking.pairs):
        return None
    return _inline(_drawn(ranking, [names[row] for row in ranking.rows]))


def _drawn(ranking: Ranks, names: list[str]) -> bytes:
    """The diagram as matplotlib writes it.

    Methods go by their places in it, as sets of words would have another order in every process.
    """
    import pandas as pd
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
    from scikit_posthocs import critical_difference_diagram

    from lpa3bench.report.figures.drawing import styled

    places = range(len(names))
    gap = GAP * (len(names) - 1)
    told = [f"{name} {rank:.2f}" for name, rank in zip(names, ranking.mean_ranks, strict=True)]
    side = 2 * GAP * WIDTH + LETTER * max(map(len, told))
    with styled():
        figure = Figure()
        axes = figure.add_axes((0, 0, 1, 1))
        axes.grid(visible=False)
        axes.spines["top"].set_visible(True)
        made = critical_difference_diagram(
            dict(enumerate(ranking.mean_ranks)),
            pd.DataFrame(p_matrix(ranking), index=places, columns=places),
            ax=axes,
            label_fmt_left="{label}",
            label_fmt_right="{label}",
            label_props={"fontsize": TYPE},
            marker_props={"color": INK, "s": 12},
            elbow_props={"color": INK, "linewidth": 0.8},
            crossbar_props={"color": INK, "linewidth": 4, "solid_capstyle": "butt"},
            text_h_margin=gap,
        )
        for label in made["labels"]:
            place = int(label.get_text())
            label.set_text(told[place])
            outwards = -1 if label.get_horizontalalignment() == "right" else 1
            label.set_x(label.get_position()[0] + outwards * gap / 3)
        lowest = min(label.get_position()[1] for label in made["labels"]) - 0.7
        width, height = WIDTH + 2 * side, TOP - STEP * lowest
        figure.set_size_inches(width / 72, height / 72)
        axes.set_position((side / width, 0, WIDTH / width, 1 - TOP / height))
        axes.set(xlim=(1, len(names)), ylim=(lowest, 0))
        axes.xaxis.set_major_locator(MaxNLocator(9, integer=True))
        axes.tick_params(labelsize=TYPE)
        file = io.BytesIO()
        figure.savefig(file, format="svg", dpi=72, transparent=True, metadata={"Date": None, "Creator": None})
    return file.getvalue()


def _inline(drawn: bytes) -> Markup:
    """The drawing as an element of HTML: no namespaces, ids or styles; every text in it is escaped."""
    root = ElementTree.fromstring(drawn)
    marks = {node.get("id"): node.get("d", "") for node in root.iter() if _local(node.tag) == "path"}
    for parent in root.iter():
        for child in [*parent]:
            if _local(child.tag) in LEFT_OUT:
                parent.remove(child)
    for node in root.iter():
        node.tag = _local(node.tag)
        found = {_local(name): value for name, value in node.attrib.items()}
        node.attrib.clear()
        node.attrib.update(_attributes(found))
        if node.tag == "use":
            node.tag = "path"
            node.set("d", marks[found["href"].removeprefix("#")])
            node.set("transform", f"translate({found['x']} {found['y']})")
    label = "Mean ranks; a bar joins methods that the tests do not tell apart"
    root.attrib = {"class": "plot", "viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _attributes(found: Mapping[str, str]) -> dict[str, str]:
    styles = dict(found)
    for part in found.get("style", "").split(";"):
        name, _, value = part.partition(":")
        styles[name.strip()] = value.strip()
    kept = {name: styles[name] for name in KEPT if name in styles}
    return {name: "currentColor" if value == INK else value for name, value in kept.items()}


def _local(name: Any) -> str:
    return str(name).rpartition("}")[2]
