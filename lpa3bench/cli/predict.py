"""`lpa3bench predict`: the classes of new images, by a trained run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from lpa3bench.cli.options import (
    OneRun,
    data_option,
    device_option,
    json_option,
    plugin_option,
    weights_option,
)
from lpa3bench.cli.terminal import say
from lpa3bench.errors import UsageError, printable
from lpa3bench.runtime.terminal_text import aligned

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from lpa3bench.data.pixels import Decoder
    from lpa3bench.types import Weights

_HEAD = ("file", "class", "probability", "next", "probability")


class _Judge(NamedTuple):
    """Who says which class it is."""

    class_names: tuple[str, ...]
    decoder: Decoder
    probabilities: Callable[[Tensor], Tensor]


@click.command(cls=OneRun)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path, exists=True))
@click.argument("images", metavar="FOLDER|NPZ", type=click.Path(path_type=Path, exists=True))
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a line an image, a column a class.")
@weights_option
@device_option
@data_option
@plugin_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    run: Path,
    images: Path,
    as_csv: bool,
    weights: Weights,
    device: str,
    data: Path | None,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Tell the classes of new images by a trained run.

    RUN is a run directory, or what `export` made of one. FOLDER holds the images, wherever below it they lie;
    NPZ has them in `images` or `<split>_images`; or give one file. They are decoded, resized and normalised
    as the run's own were. The table has the likeliest class of each and the next; --csv and --json have the
    probability of every class. The images that were trained on need not be here; --data is for runs that an
    earlier version began.
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other")
    from lpa3bench.analysis.new_images import predict_pictures
    from lpa3bench.data.pictures import find_pictures
    from lpa3bench.export import EXPORTED_WEIGHTS

    pictures = find_pictures(images)
    if run.is_file() or (run / EXPORTED_WEIGHTS).is_file():
        given = ctx.get_parameter_source("weights") is not ParameterSource.DEFAULT
        judge = _exported(run, weights if given else None, device, plugins)
    else:
        judge = _of_run(run, weights, device, data, plugins)
    probs = predict_pictures(pictures, judge.decoder, judge.probabilities)
    names = [picture.name for picture in pictures]
    if as_json:
        click.echo(json.dumps(_told(names, judge.class_names, probs), indent=1))
    elif as_csv:
        from lpa3bench.report.csv_table import csv_text

        click.echo(csv_text(_rows(names, judge.class_names, probs)), nl=False)
    else:
        say("\n".join(_lines(names, judge.class_names, probs)))


def _of_run(run: Path, weights: Weights, device: str, data: Path | None, plugins: tuple[Path, ...]) -> _Judge:
    from lpa3bench.analysis.trained_run import open_run
    from lpa3bench.analysis.without_images import data_wanted

    trained = open_run(run, data=data_wanted(run, data), device=device, weights=weights, plugins=plugins)
    for change in trained.changed:
        say(f"changed since the run: {change}", err=True)
    return _Judge(trained.spec.shown_names, trained.decoder, trained.probabilities)


def _exported(run: Path, weights: Weights | None, device: str, plugins: tuple[Path, ...]) -> _Judge:
    import torch

    from lpa3bench.export.finished_run import load_exported
    from lpa3bench.runtime.device import choose_device

    model = load_exported(run, plugins=plugins).to(choose_device(device))
    if weights not in (None, model.weights):
        raise UsageError(f"{run}: holds the {model.weights} weights; export the run with --weights {weights}")

    @torch.no_grad()
    def probabilities(pixels: Tensor) -> Tensor:
        found: Tensor = model(model.as_input(pixels))
        return found.cpu()

    return _Judge(model.class_names, model.decoder, probabilities)


def _rows(names: list[str], classes: tuple[str, ...], probs: Tensor) -> list[dict[str, Any]]:
    best, likely = (found.tolist() for found in (probs.argmax(1), probs.amax(1)))
    return [
        {
            "file": name,
            "class": classes[place],
            "probability": probability,
            **{f"p({printable(one)})": p for one, p in zip(classes, row, strict=True)},
        }
        for name, place, probability, row in zip(names, best, likely, probs.tolist(), strict=True)
    ]


def _told(names: list[str], classes: tuple[str, ...], probs: Tensor) -> dict[str, Any]:
    best = probs.argmax(1).tolist()
    rows = zip(names, best, probs.tolist(), strict=True)
    return {
        "classes": [*classes],
        "images": [{"file": n, "class": classes[place], "probabilities": row} for n, place, row in rows],
    }


def _lines(names: list[str], classes: tuple[str, ...], probs: Tensor) -> list[str]:
    likely, which = probs.sort(dim=1, descending=True, stable=True)
    told = zip(names, which[:, :2].tolist(), likely[:, :2].tolist(), strict=True)
    rows = [
        (name, classes[first], f"{p:.3f}", classes[second], f"{q:.3f}")
        for name, (first, second), (p, q) in told
    ]
    return aligned([_HEAD, *rows])
