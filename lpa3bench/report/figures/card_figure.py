"""An augmenter card: the mapping that the probe measured, as JSON, as Markdown and as one page of figures."""

from __future__ import annotations

import base64
import io
import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lpa3bench.errors import RunFailed
from lpa3bench.report.figures.card_text import Card, accuracies, card_markdown
from lpa3bench.report.figures.drawing import GREY_INK, LINE_COLOURS, RIGHT, WRONG, framed, save, styled
from lpa3bench.runtime.files import Writer, text_writer

PAGE = (8.27, 11.2)
"""Inches."""
IMAGE, VIEW = LINE_COLOURS[0], LINE_COLOURS[1]
SMALL = 7.5
WRAP = 145
NAMED_CLASSES, ROOM_FOR_NAMES = 10, 40
"""Classes, and signs of all their names together, that find room at an axis."""
"""Characters of small print on a line."""
RATES = (
    ("judge_right", "judge right on images"),
    ("true_label", "judge right on views"),
    ("preserved", "label preserved"),
    ("preserved_known", "… of images it gets right"),
    ("accuracy_images", "clean network right on images"),
    ("accuracy_views", "clean network right on views"),
    ("margin_kept", "margin kept"),
    ("recognised", "image recognised in its view"),
)
TARGETS = (
    ("data_label", "label,\nthe data"),
    ("known_label", "label"),
    ("known_colour", "colour"),
    ("known_rotation", "rotation"),
    ("known_position", "position"),
)
TABLE = (
    "perceptual_judge", "perceptual_attacked", "pixel_l2", "pixel_linf", "known_l2", "known_phi", "logp_drop",
    "confidence_drop_attacked", "confidence_drop_judge", "accuracy_change", "forward", "backward",
    "training_cost",
)  # fmt: skip


def write_augmenter_card(card: Card, folder: Path) -> list[Path]:
    """Write `card.json`, `CARD.md`, `card.svg` and `card.png` into a folder, which is made.

    Raises:
        RunFailed: the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFailed(f"{folder}: cannot be made ({error.strerror}); choose another --out") from error
    texts = {
        folder / "card.json": json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        folder / "CARD.md": card_markdown(card),
    }
    beside = {path: text_writer(text) for path, text in texts.items()}
    return draw_augmenter_card(card, folder / "card", beside)


def draw_augmenter_card(card: Card, out: Path, beside: Mapping[Path, Writer] = {}) -> list[Path]:
    """Draw the page, as SVG and as PNG, and write the files `beside` it in the same act.

    The same card gives the same bytes.
    """
    measures = {one["key"]: one for one in card["measures"]}
    with styled():
        figure = Figure(figsize=PAGE, layout="constrained")
        parts: Any = figure.subfigures(6, 1, height_ratios=(0.95, 1.9, 3.1, 3.1, 2.6, 0.45))
        head, shown, upper, lower, end, foot = parts
        _head(head, card, measures)
        _examples(shown, card["examples"])
        left, right = upper.subplots(1, 2, width_ratios=(1.25, 1))
        _rates(left, measures)
        _drop(right, measures, float(card["protocol"]["margin"]))
        left, right = lower.subplots(1, 2, width_ratios=(1.6, 1))
        _information(left, measures, card["not_measured"])
        _affinity(right, measures)
        left, right = end.subplots(1, 2, width_ratios=(1, 1.25))
        _classes(left, card["classes"])
        _table(right, measures)
        _foot(foot, card)
        title = f"Augmenter card: {card['augmenter']['name']} on {card['protocol']['dataset']}"
        return save(figure, out, beside, title=title, text="The same numbers as text: CARD.md and card.json.")


def _head(figure: Any, card: Card, measures: Mapping[str, Any]) -> None:
    augmenter, protocol = card["augmenter"], card["protocol"]
    error = measures["judge_error"]
    own = f"{augmenter['name']}."
    parameters = ", ".join(f"{k.removeprefix(own)}={v}" for k, v in augmenter["parameters"].items())
    figure.suptitle(
        f"{augmenter['name']} on {protocol['dataset']}", x=0.01, ha="left", fontsize=14, fontweight="bold"
    )
    lines = (
        f"slot {augmenter['slot']}, recipe {augmenter['recipe_sha256']}; judge {protocol['judge']}, "
        f"clean error {100 * error['value']:.1f} % [{100 * error['low']:.1f}, {100 * error['high']:.1f}]; "
        f"n = {error['n']} held-out images",
        "accuracy of the networks attacked: "
        + ", ".join(
            f"{one['title'].removeprefix('accuracy, ')} {100 * one['value']:.1f} %"
            for one in (measures[key] for key in accuracies(card))
        ),
        *textwrap.wrap(parameters, WRAP, max_lines=2, placeholder=" …"),
    )
    figure.text(0.01, 0.68, "\n".join(lines), fontsize=SMALL, va="top", linespacing=1.35)


def _examples(figure: Any, examples: Sequence[Mapping[str, Any]]) -> None:
    """Images above, their views below, each in a frame that tells whether the judge is right."""
    grid = figure.subplots(2, max(1, len(examples)), squeeze=False)
    for column, example in enumerate(examples):
        for axes, key in zip(grid[:, column], ("image", "view"), strict=True):
            axes.imshow(_picture(example[key]), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            framed(axes, RIGHT if example[f"judge_{key}"] == example["label"] else WRONG)
            axes.set_xlabel(f"{example[f'judge_{key}']}", fontsize=SMALL, labelpad=2)
    for axes, name in zip(grid[:, 0], ("image", "view"), strict=True):
        axes.set_ylabel(name)


def _picture(text: str) -> Any:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def _rates(axes: Axes, measures: Mapping[str, Any]) -> None:
    """Shares of images, with their intervals."""
    known = {**measures}
    for key, of in (("judge_right", "judge_error"), ("margin_kept", "margin_violations")):
        known[key] = _rest(measures[of])
    for place, (key, _) in enumerate(RATES):
        one = known[key]
        if one["value"] is not None:
            _whisker(axes, one, place, IMAGE if key in ("judge_right", "accuracy_images") else VIEW)
            axes.text(1.23, place, f"{100 * one['value']:.1f} %", fontsize=SMALL, ha="right", va="center")
    axes.set_yticks(range(len(RATES)), [name for _, name in RATES])
    axes.set(xlim=(-0.04, 1.24), ylim=(len(RATES) - 0.5, -0.7), xlabel="share of images")
    axes.set_title("Shares of images, and 95 % intervals", loc="left")


def _rest(one: Mapping[str, Any]) -> dict[str, Any]:
    """The share of all others."""
    if one["value"] is None:
        return {**one}
    return {"value": 1 - one["value"], "low": 1 - one["high"], "high": 1 - one["low"]}


def _whisker(axes: Axes, one: Mapping[str, Any], place: float, colour: str) -> None:
    """A point and its interval, level."""
    below, above = one["value"] - one["low"], one["high"] - one["value"]
    axes.errorbar(
        one["value"],
        place,
        xerr=[[max(0.0, below)], [max(0.0, above)]],
        fmt="o",
        color=colour,
        capsize=2.5,
        ms=4,
    )


def _drop(axes: Axes, measures: Mapping[str, Any], margin: float) -> None:
    """The distribution of the fall of the label's log-probability, and the margin."""
    quantiles = measures["logp_drop"]["quantiles"]
    levels, values = [float(level) for level in quantiles], [*quantiles.values()]
    axes.plot(values, levels, "-o", color=VIEW, ms=3)
    axes.axvline(margin, color=GREY_INK, linestyle="--", linewidth=1)
    axes.annotate(
        f"margin {margin:g}",
        (margin, 0.02),
        (4, 0),
        textcoords="offset points",
        fontsize=SMALL,
        color=GREY_INK,
    )
    reach = max(abs(values[1]), abs(values[-2]), 2 * margin)
    axes.set_xscale("symlog", linthresh=max(margin, 1e-3))
    ticks = [sign * 10.0**power for sign in (-1, 1) for power in range(-3, 4)]
    ticks = sorted(tick for tick in ticks if margin <= abs(tick) <= 1.5 * reach)
    axes.set_xticks([*ticks, 0], [f"{tick:g}" for tick in [*ticks, 0]])
    axes.minorticks_off()
    axes.set(xlim=(-1.5 * reach, 1.5 * reach), ylim=(-0.03, 1.03))
    axes.set(xlabel="fall of the label's log-probability, nats", ylabel="share of views below")
    axes.set_title("What the attacked network thinks", loc="left")


def _information(axes: Axes, measures: Mapping[str, Any], reason: str | None) -> None:
    """Bits told of label and nuisances, by images and by views."""
    shown = [(key, name) for key, name in TARGETS if f"{key}_x_bits" in measures]
    for place, (key, _) in enumerate(shown):
        for shift, which, colour, hatch in ((-0.2, "x", IMAGE, ""), (0.2, "view", VIEW, "//")):
            one = measures[f"{key}_{which}_bits"]
            error = [[one["value"] - one["low"]], [one["high"] - one["value"]]]
            axes.bar(
                place + shift,
                one["value"],
                0.36,
                yerr=np.maximum(error, 0),
                color=colour,
                hatch=hatch,
                edgecolor="white",
                capsize=2.5,
                label={"x": "images", "view": "views"}[which] if place == 0 else None,
            )
            axes.annotate(
                f"{one['value']:.2f}",
                (place + shift, one["high"]),
                (0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL,
            )
    axes.set_xticks(range(len(shown)), [name for _, name in shown])
    axes.set_ylim(0, 4.1)
    axes.legend(loc="upper right", ncols=2)
    axes.set(ylabel="bits, lower bound")
    axes.set_title("What is told at least: the label should stay, (a), the nuisances go, (b)", loc="left")
    if reason:
        axes.set_xlabel(f"nuisances not measured: {reason}", fontsize=SMALL)


def _affinity(axes: Axes, measures: Mapping[str, Any]) -> None:
    """Affinity against diversity: to the upper right is what Gontijo-Lopes et al. find good."""
    one, other = measures["diversity"], measures["affinity"]
    axes.axhline(1, color=GREY_INK, linewidth=0.8, linestyle="--")
    axes.axvline(1, color=GREY_INK, linewidth=0.8, linestyle="--")
    if one["value"] is not None and other["value"] is not None:
        axes.errorbar(
            one["value"],
            other["value"],
            xerr=[[one["value"] - one["low"]], [one["high"] - one["value"]]],
            yerr=[[other["value"] - other["low"]], [other["high"] - other["value"]]],
            fmt="o",
            color=VIEW,
            capsize=2.5,
        )
        axes.annotate(
            f"{one['value']:.3g}, {other['value']:.3f}",
            (one["value"], other["value"]),
            (6, 6),
            textcoords="offset points",
            fontsize=SMALL,
        )
        high, low = max(1.5, one["high"]), min(0.7, one["low"])
        axes.set_xscale("log")
        axes.set_xlim(low / 1.3, high * 1.6)
        ticks = [
            tick
            for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000)
            if low / 1.3 <= tick <= high * 1.6
        ]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    axes.set(ylim=(-0.03, 1.12), xlabel="diversity (final training loss, ×)", ylabel="affinity (accuracy, ×)")
    axes.set_title("Affinity and diversity", loc="left")


def _classes(axes: Axes, classes: Sequence[Mapping[str, Any]]) -> None:
    """Preservation class by class."""
    for row in classes:
        if row["preserved"] is not None:
            axes.errorbar(
                row["class"],
                row["preserved"],
                yerr=[[row["preserved"] - row["low"]], [row["high"] - row["preserved"]]],
                fmt="o",
                color=VIEW,
                capsize=2,
                ms=3.5,
            )
    axes.set(ylim=(-0.03, 1.06), xlabel="class", ylabel="label preserved")
    names = [row["name"] for row in classes]
    if len(names) <= NAMED_CLASSES and sum(map(len, names)) <= ROOM_FOR_NAMES:
        axes.set_xticks(range(len(names)), names)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("Class by class", loc="left")


def _table(axes: Axes, measures: Mapping[str, Any]) -> None:
    """The numbers that no panel shows."""
    axes.axis("off")
    rows = [(one["title"], _number(one)) for key in TABLE if (one := measures.get(key)) is not None]
    for place, (title, number) in enumerate(rows):
        height = 1 - (place + 0.5) / len(rows)
        axes.text(0, height, title, fontsize=SMALL, va="center")
        axes.text(1, height, number, fontsize=SMALL, va="center", ha="right")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_title("Distances, confidence, cost: means [95 %]", loc="left")


def _number(one: Mapping[str, Any]) -> str:
    if one["value"] is None:
        return "–"
    between = "" if one["low"] is None else f" [{one['low']:.3g}, {one['high']:.3g}]"
    return f"{one['value']:.3g}{between}"


def _foot(figure: Any, card: Card) -> None:
    """Small print, wrapped to the page."""
    protocol = card["protocol"]
    text = (
        f"Views against {protocol['attacked']} trained on {protocol['attacked_images']} images; the judge, "
        f"{protocol['judge']} with another seed, on {protocol['judge_images']} others. Frames: judge right "
        f"({RIGHT}) or wrong ({WRONG}), its class below. Bits: entropy less the held-out "
        "cross-entropy of probes, mean and range over seeds; of all but the first on coloured digits: lower "
        "bounds, which can refute (b) and not show it. "
        "Definitions, n and "
        f"everything else: CARD.md. Seed {protocol['seed']}."
    )
    axes = figure.subplots()
    axes.axis("off")
    axes.text(0, 1, "\n".join(textwrap.wrap(text, WRAP)), fontsize=7, va="top", color="#333333")
