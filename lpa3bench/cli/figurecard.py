"""`lpa3bench figure card`: measures an augmenter, and writes its card as JSON, Markdown, SVG and PNG."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from lpa3bench.cli.options import SEED, config_options, data_option, device_option, json_option
from lpa3bench.cli.terminal import say
from lpa3bench.runtime.paths import data_root
from lpa3bench.types import SLOTS


@click.command()
@click.argument("augmenter")
@config_options
@click.option(
    "--slot",
    type=click.Choice([name for name, slot in SLOTS.items() if not slot.of_task]),
    help="Where it is bound in training. [default: view if it can stand there, else positives]",
)
@click.option(
    "--judge",
    metavar="BACKBONE",
    default="JudgeNet",
    show_default=True,
    help="The judge's network; -p judge/BACKBONE.parameter=… configures it.",
)
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Attack the network of this run. [default: one trained without the augmenter]",
)
@click.option(
    "--images",
    type=click.IntRange(10),
    default=1000,
    show_default=True,
    help="Held-out images to measure on, at most.",
)
@click.option(
    "--floor",
    type=click.FloatRange(0, 1),
    default=0.7,
    show_default=True,
    help="Accuracy on held-out images that the attacked network and the judge must have.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0),
    help="Fall of the label's log-probability that counts as a violation. [default: the augmenter's own "
    "margin, else 0.02]",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of everything drawn.")
@device_option
@data_option
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path("runs/card"),
    show_default=True,
    help="Where the runs that it needs are made; finished ones are used again. They are no results.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the card is written. [default: cards/AUGMENTER-DATASET]",
)
@json_option
def command(
    augmenter: str,
    files: tuple[Path, ...],
    setting: str | None,
    bindings: tuple[str, ...],
    plugins: tuple[Path, ...],
    data: Path | None,
    runs: Path,
    out: Path | None,
    as_json: bool,
    **more: Any,
) -> None:
    """What an augmenter does to images and labels, judged by another network.

    AUGMENTER is a registered name, ours or anybody's; each FILE a gin file of a supervised run, or the name
    of a shipped one: the data set, the network and the training that the augmenter is measured with, whatever
    its slots hold. `lpa3bench figure card LPA3 digits_supervised`. Trains four small runs and some probes; on
    digits that takes minutes.
    """
    from lpa3bench.analysis.card.measurement import measure
    from lpa3bench.analysis.card.runs import Request
    from lpa3bench.report.figures.card_figure import write_augmenter_card
    from lpa3bench.training.progress_bar import progress

    request = Request(
        augmenter=augmenter,
        files=files,
        setting=setting,
        bindings=bindings,
        plugins=plugins,
        data=data_root(data),
        runs=runs,
        **more,
    )
    card = measure(request, lambda: [progress()])
    if out is None:
        name = f"{augmenter}-{card['protocol']['dataset']}".lower()
        out = Path("cards") / re.sub(r"[^a-z0-9.-]+", "_", name)
    written = write_augmenter_card(card, out)
    if as_json:
        click.echo(json.dumps(card, indent=1))
        return
    for measured in card["measures"]:
        say(_line(measured))
    for path in written:
        say(f"wrote {path}", err=True)


def _line(measured: dict[str, Any]) -> str:
    """A number with its interval, as the terminal shows it."""
    value, low, high = (measured[key] for key in ("value", "low", "high"))
    shown = "–" if value is None else f"{value:.4g}"
    between = "" if low is None else f"[{low:.4g}, {high:.4g}]"
    return f"{measured['title']:<58} {shown:>9} {between:<20} n={measured['n']}"
