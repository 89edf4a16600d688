"""`lpa3bench figure confusion`: which class a run takes for which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import OneRun, json_option, weights_option
from lpa3bench.errors import DataError
from lpa3bench.types import SCORED

if TYPE_CHECKING:
    from lpa3bench.training.predictions import Predictions
    from lpa3bench.types import Weights


@click.command(cls=OneRun)
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="RUN")
@click.option(
    "--split", type=click.Choice(SCORED), default="test", show_default=True, help="Of which images."
)
@weights_option
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="FILE.svg and FILE.png are written. [default: confusion-RUN, with the split and weights if given]",
)  # fmt: skip
@json_option
def command(run: Path, split: str, weights: Weights, out: Path | None, as_json: bool) -> None:
    """Which class a run takes for which, as numbers and as a picture.

    RUN is the directory of a finished run; the numbers come from its predictions.npz. Rows are the classes of
    the images, columns the classes predicted; --json prints the counts.
    """
    from lpa3bench.report.figures.confusion_figure import CONFUSION_CAPTION, draw_confusion
    from lpa3bench.training.predictions import read_predictions
    from lpa3bench.training.run_directory import RunDirectory

    folder = RunDirectory(run)
    record = folder.finished()
    stored = read_predictions(folder.predictions)
    if record is None or stored is None:
        raise DataError("is no finished run with its predictions", path=run)
    if (found := stored.of(weights).get(split)) is None:
        what = f"a {split} split" if weights == "last" else "an epoch selected on a validation split"
        raise DataError(f"has no predictions of {what}; run.holdout = N makes one", path=folder.predictions)
    images = _counts(found)
    names = stored.class_names or record.data.per_class.names or tuple(map(str, range(len(images))))
    when = "the last epoch" if weights == "last" else "the best epoch by validation"
    text = f"{CONFUSION_CAPTION.format(split=split.capitalize())} {record}, after {when}."
    out = out or Path(_file_name(str(record), split, weights))
    files = draw_confusion(images, names, out, title=f"{record.cell.dataset}, {record.cell.task}", text=text)
    if as_json:
        told = {"split": split, "weights": weights, "classes": [*names], "images": images}
        click.echo(json.dumps({"files": [str(file) for file in files], **told}, indent=1))
    else:
        click.echo("\n".join(map(str, files)))


def _file_name(run: str, split: str, weights: Weights) -> str:
    """A picture of its own for each run, split and weights: `confusion-digits-supervised-7119160a-s0`."""
    others = [split] * (split != "test") + [weights] * (weights != "last")
    return "-".join(("confusion", run, *others))


def _counts(predicted: Predictions) -> list[list[int]]:
    """[K, K]: images by their class and by the class predicted."""
    from lpa3bench.ops import count_pairs

    found = count_pairs(predicted.labels, predicted.probs.argmax(1), predicted.probs.shape[1])
    counts: list[list[int]] = found.tolist()
    return counts
