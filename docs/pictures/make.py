"""Make the pictures of the README again: views of LP-A3, and a board's first screen.

    lpa3bench run digits_supervised augmenters/lpa3 --seed 100 --device cpu
    python docs/pictures/make.py views runs/digits-supervised-clean-lpa3-…-s100
    python docs/pictures/make.py board leaderboards/digits/index.html

`board` needs playwright and chromium (LPA3BENCH_CHROMIUM names it; else it is looked for). overview.svg is
written by hand.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click
import matplotlib
import torch

from lpa3bench.analysis.sampled_views import TRUE_LABEL, choose_right
from lpa3bench.analysis.trained_run import Trained, open_run
from lpa3bench.attack import features, label_logp, make_reference
from lpa3bench.report.figures.drawing import RIGHT, WRONG, canvas, caption, framed, in_palette, save, styled
from lpa3bench.runtime.paths import data_root

HERE = Path(__file__).parent
LARGEST = 150_000
"""Bytes of a picture."""
FULL = 0.25
"""Of the range from black to white: a difference that has the full colour."""
WIDTH, HEIGHT = 1200, 1180
"""Of the browser's window, in its pixels."""


@click.group()
def main() -> None:
    """The pictures of the README."""


@main.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--data", type=click.Path(path_type=Path), help="The data folder, as of `lpa3bench run`.")
@click.option("--images", default=8, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=HERE / "views", show_default=True)
def views(run: Path, data: Path | None, images: int, out: Path) -> None:
    """Images that the network of RUN predicts right, LP-A3's views of them, and the difference."""
    trained = open_run(run, data=data_root(data), device="cpu", bindings=TRUE_LABEL)
    for path in _draw(trained, images, out):
        _told(path)


def _draw(trained: Trained, count: int, out: Path) -> list[Path]:
    index = choose_right(trained, count)
    x, labels = trained.test.images.plain(index), trained.test.labels[index]
    view = trained.views("positives", x, labels)
    before, after = trained.logits(x), trained.logits(view.x)
    drop = (label_logp(before.logits, labels) - label_logp(after.logits, labels)).tolist()
    distance = features.distance(after.features, make_reference(before, labels).phi).tolist()
    margin = next(value.text for value in trained.config.values if value.name.endswith("LPA3.margin"))
    predicted = trained.predict(view.x).argmax(1).tolist()
    rows = [picture.permute(0, 2, 3, 1).squeeze(-1).numpy() for picture in (x, view.x, view.x - x)]
    change = rows[2] if rows[2].ndim == 3 else rows[2].mean(-1)
    with styled():
        figure = canvas(1.1 * len(x) + 0.5, 4.75)
        grid = figure.subplots(3, len(x), squeeze=False)
        for column in range(len(x)):
            for place, axes in enumerate(grid[:, column]):
                axes.set(xticks=[], yticks=[])
                axes.grid(visible=False)
                if place == 2:
                    axes.imshow(change[column], cmap="RdBu_r", vmin=-FULL, vmax=FULL)
                else:
                    axes.imshow(rows[place][column], cmap="gray", vmin=0, vmax=1)
            right = predicted[column] == int(labels[column])
            framed(grid[0, column], RIGHT)
            grid[0, column].set_title(trained.spec.class_names[int(labels[column])])
            ink = RIGHT if right else WRONG
            said = f"says {trained.spec.class_names[predicted[column]]}"
            framed(grid[1, column], ink)
            grid[1, column].set_xlabel(said, fontsize=8.5, color=ink.colour)
            text = f"log p {-drop[column]:+.2f}\ndistance {distance[column]:.2f}"
            grid[2, column].set_xlabel(text.replace("-", "−"), fontsize=8.5)
            for spine in grid[2, column].spines.values():
                spine.set(visible=True, color="#999999", linewidth=0.8)
        for axes, name in zip(grid[:, 0], ("image", "LP-A3's view", "difference"), strict=True):
            axes.set_ylabel(name, fontweight="bold")
        names = trained.config.names
        text = (
            f"{names['task']} on {trained.spec.name} with LP-A3, {names['backbone']}, seed {trained.seed}, "
            f"after {trained.epochs_done} epochs. Test images that it predicts right, the first of each "
            f"class. Difference: red is brighter, blue darker, in full from {FULL:g} of the range from black "
            "to white on. log p: how the log-probability of the true class changes, in nats; nothing enforces"
            f" the margin, {margin} nats. distance: between the network's features, from 0 to "
            f"{2 * len(before.features) ** 0.5:.1f}. Frame: predicted right ({RIGHT}) or wrong ({WRONG})."
        )
        caption(figure, text)
        return save(figure, out, title="Test images, LP-A3's views of them, and the difference", text=text)


@main.command()
@click.argument("page", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), default=HERE / "board.png", show_default=True)
def board(page: Path, out: Path) -> None:
    """The first screen of a board, as a browser shows it."""
    from playwright.sync_api import sync_playwright

    found = (
        os.environ.get("LPA3BENCH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        shown = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce"
        )
        shown.goto(page.resolve().as_uri())
        shown.screenshot(path=out)
        browser.close()
    in_palette(out)
    _told(out)


def _told(path: Path) -> None:
    size = path.stat().st_size
    if size > LARGEST:
        raise click.ClickException(f"{path}: {size} bytes, more than {LARGEST}")
    click.echo(f"{path} {size}")


if __name__ == "__main__":
    matplotlib.use("agg")
    torch.set_num_threads(1)
    main()
