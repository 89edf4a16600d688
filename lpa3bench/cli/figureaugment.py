"""`lpa3bench figure augment`: views of test images, with heat maps and predictions."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpa3bench.cli.options import (
    SEED,
    data_option,
    device_option,
    figure_out_option,
    json_option,
    plugin_option,
    weights_option,
)
from lpa3bench.cli.terminal import say
from lpa3bench.runtime.counting import counted
from lpa3bench.runtime.paths import data_root

if TYPE_CHECKING:
    from lpa3bench.analysis.scorecam import CamVariant
    from lpa3bench.analysis.trained_run import Trained
    from lpa3bench.types import Weights


@click.command()
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--images", type=click.IntRange(1, 24), default=6, show_default=True, help="How many.")
@click.option(
    "--augmenter",
    "augmenters",
    metavar="NAME",
    multiple=True,
    help="A slot of the run (positives, strong, view), or an augmenter such as RandAugment or "
    "\"RandAugment(recipe='generic', magnitude=5)\". Repeatable. [default: the run's own, and RandAugment]",
)
@click.option(
    "--variant",
    type=click.Choice(["repo", "paper"]),
    default="repo",
    show_default=True,
    help="Score-CAM as its authors' code or as their paper has it.",
)
@click.option(
    "--layer",
    type=click.IntRange(1),
    metavar="N",
    help="Feature map of the heat maps, counted from the stem. [default: the last]",
)
@weights_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the augmenters.")
@device_option
@data_option
@plugin_option
@figure_out_option("augment")
@json_option
def command(
    run: Path,
    images: int,
    augmenters: tuple[str, ...],
    variant: CamVariant,
    layer: int | None,
    weights: Weights,
    seed: int,
    device: str,
    data: Path | None,
    plugins: tuple[Path, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Views of test images with heat maps and predictions (the paper's Fig. 3).

    RUN is a run directory, finished or not. Images are the first of each class of the test split that the
    network predicts right, then the second of each. LP-A3 preserves their true label; what its selection
    would leave out in training is marked. Needs torchcam: pip install 'lpa3bench[figures]'.
    """
    from lpa3bench.analysis import sampled_views as views
    from lpa3bench.analysis.trained_run import open_run
    from lpa3bench.report.figures import augment

    opened = partial(
        open_run, run, data=data_root(data), device=device, bindings=views.TRUE_LABEL, plugins=plugins
    )
    trained = opened(weights=weights)
    for line in trained.changed:
        say(f"since the run: {line}", err=True)
    older = trained.folder.checkpoints.paths()[:-1]
    earlier = opened(checkpoint=older[-1]) if older and weights == "last" else None
    index = views.choose_right(trained, images)
    shown = augmenters or views.default_augmenters(trained)
    rows = views.judge(trained, index, shown, variant=variant, layer=layer, seed=seed, earlier=earlier)
    labels = trained.test.labels.cpu()[index]
    files = augment.draw_augment(rows, labels.numpy(), _caption(trained, earlier, variant, layer), out)
    if as_json:
        told = [
            {
                "name": r.name,
                "about": r.about,
                "predicted": r.predicted.tolist(),
                "confidence": _numbers(r.confidence),
                "selected": r.selected.tolist(),
            }
            for r in rows
        ]
        found = {"index": index.tolist(), "labels": labels.tolist(), "rows": told}
        click.echo(json.dumps({"files": [str(file) for file in files], **found}, indent=1))
    else:
        click.echo("\n".join(map(str, files)))


def _numbers(values: Any) -> list[float | None]:
    """JSON has no NaN."""
    return [None if value != value else value for value in values.tolist()]


def _caption(trained: Trained, earlier: Trained | None, variant: str, layer: int | None) -> str:
    names = trained.config.names
    setting = f", setting {trained.config.setting}" if trained.config.setting else ""
    epochs = counted(trained.epochs_done, "epoch")
    judged = f"{names['task']} on {trained.spec.name}{setting}, {names['backbone']}"
    which = "last feature map" if layer is None else f"feature map {layer}"
    several = f" of the first of {len(trained.networks)} networks" if len(trained.networks) > 1 else ""
    selection = (
        " A selection is that among these images, by how predictions changed from epoch "
        f"{earlier.epochs_done} to {trained.epochs_done}."
        if earlier
        else ""
    )
    return (
        f"{judged}, seed {trained.seed}, after {epochs}. Of the test images that it predicts right, the "
        "first of each class, then the second of each. Views are made and judged in eval mode, judged "
        f"through the main BatchNorm{_preserved(trained)}.{selection} Heat: Score-CAM for the true class, "
        f"{variant} variant, {which}{several}; yellow is important."
    )


def _preserved(trained: Trained) -> str:
    """What holds for the LP-A3 of a slot; one that is spelt out says itself which label it takes."""
    if "LPA3" not in trained.slots.values():
        return ""
    return "; the run's LP-A3 preserves the true label, as seen through the BatchNorm that it trains"
