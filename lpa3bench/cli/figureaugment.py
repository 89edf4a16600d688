"""`lpa3bench figure augment`: views of test images, with heat maps and predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpa3bench.cli.options import (
    SEED,
    data_option,
    device_option,
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
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", default=Path("augment"), show_default=True,
    help="FILE.svg and FILE.png are written.",
)  # fmt: skip
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

    RUN is a run directory, finished or not. Images are the first of each class of the test split, then the
    second of each. LP-A3 preserves their true label. Needs torchcam: pip install 'lpa3bench[figures]'.
    """
    from lpa3bench.analysis import sampled_views as views
    from lpa3bench.analysis.trained_run import open_run
    from lpa3bench.report.figures import augment

    trained = open_run(
        run,
        data=data_root(data),
        device=device,
        weights=weights,
        bindings=views.TRUE_LABEL,
        plugins=plugins,
    )
    for line in trained.changed:
        say(f"since the run: {line}", err=True)
    index = views.choose_images(trained.test.labels, images)
    shown = augmenters or views.default_augmenters(trained)
    rows = views.judge(trained, index, shown, variant=variant, layer=layer, seed=seed)
    labels = trained.test.labels.cpu()[index]
    files = augment.draw_augment(rows, labels.numpy(), _caption(trained, variant, layer), out)
    if as_json:
        told = [
            {
                "name": r.name,
                "about": r.about,
                "predicted": r.predicted.tolist(),
                "confidence": _numbers(r.confidence),
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


def _caption(trained: Trained, variant: str, layer: int | None) -> str:
    names = trained.config.names
    setting = f", {trained.config.setting}" if trained.config.setting else ""
    epochs = counted(trained.epochs_done, "epoch")
    judged = f"{names['task']} on {trained.spec.name}{setting}, {names['backbone']}"
    which = "last feature map" if layer is None else f"feature map {layer}"
    several = f" of the first of {len(trained.networks)} networks" if len(trained.networks) > 1 else ""
    return (
        f"{judged}, seed {trained.seed}, after {epochs}. Test images: the first of each class, "
        "then the second of each. Views are made and judged in eval mode, judged through the main "
        f"BatchNorm{_preserved(trained)}. Frame: blue and solid where the prediction is right, red and "
        "dashed where it is wrong; below it the probability of the true class. Heat: Score-CAM for the true "
        f"class, {variant} variant, {which}{several}; yellow is important."
    )


def _preserved(trained: Trained) -> str:
    """What holds for the LP-A3 of a slot; one that is spelt out says itself which label it takes."""
    if "LPA3" not in trained.slots.values():
        return ""
    return "; the run's LP-A3 preserves the true label, as seen through the BatchNorm that it trains"
