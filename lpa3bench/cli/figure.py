"""`lpa3bench figure`: the paper's figures, and augmenter cards. Each kind is a verb of its own below it."""

from __future__ import annotations

import click

from lpa3bench.cli.verb_group import VerbGroup

FIGURES = {
    "augment": "Views of test images with heat maps and predictions (the paper's Fig. 3).",
    "curves": "Test accuracy against counted passes, epochs or seconds (Fig. 4).",
    "confusion": "Which class a run takes for which, as numbers and as a picture.",
    "sensitivity": "Accuracy against LP-A3's margin and ratio (Fig. 5).",
    "schedules": "Accuracy of whole schedules of several lengths, and how alike they rank methods.",
    "information": "Bits of label and nuisances in trained representations.",
    "card": "What an augmenter does to images and labels, judged by another network.",
}
"""The kinds, each in a module `lpa3bench.cli.figure<kind>`, imported when it is called."""


@click.group(
    cls=VerbGroup,
    lines=FIGURES,
    modules={kind: f"lpa3bench.cli.figure{kind}" for kind in FIGURES},
    heading="Figures",
    subcommand_metavar="FIGURE [ARGS]...",
)
def command() -> None:
    """Draw the paper's figures and augmenter cards from runs.

    Each figure is written twice, as SVG and as PNG. The same runs give the same bytes.
    """
