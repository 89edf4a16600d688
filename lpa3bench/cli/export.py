"""`lpa3bench export`: the weights of a run, with a card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import (
    OneRun,
    data_option,
    device_option,
    json_option,
    plugin_option,
    weights_option,
)
from lpa3bench.cli.terminal import say

if TYPE_CHECKING:
    from lpa3bench.types import Weights


@click.command(cls=OneRun)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to. [default: export in RUN]"
)
@click.option(
    "--format", "kind", type=click.Choice(["safetensors"]), default="safetensors", show_default=True
)
@weights_option
@device_option
@data_option
@plugin_option
@json_option
def command(
    run: Path,
    out: Path | None,
    kind: str,
    weights: Weights,
    device: str,
    data: Path | None,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write the weights of a run as safetensors.

    RUN is the directory of a finished run. Beside model.safetensors, which holds every network of the run and
    the average that it predicts by, stand config.gin and a card, README.md, that says how to load them. The
    data set need not be here; --data is for runs that an earlier version began.
    """
    from lpa3bench.analysis.without_images import data_wanted
    from lpa3bench.export.weights import export

    where = data_wanted(run, data)
    done = export(run, out=out, weights=weights, data=where, device=device, plugins=plugins)
    for change in done.changed:
        say(f"changed since the run: {change}", err=True)
    if not done.faithful:
        say("the task predicts in a way of its own; the card says so", err=True)
    if as_json:
        click.echo(json.dumps({**asdict(done), "folder": str(done.folder)}, indent=1))
    else:
        say(f"{done.folder}: {', '.join(done.networks)}; the run predicts by {', '.join(done.predicts)}")
