"""`lpa3bench figure`: the paper's figures, and augmenter cards. Each kind is a verb of its own below it."""

from __future__ import annotations

from importlib import import_module

import click

FIGURES = {
    "augment": "Views of test images with heat maps and predictions (the paper's Fig. 3).",
    "curves": "Test accuracy against epochs, counted passes or seconds (Fig. 4).",
    "confusion": "Which class a run takes for which, as numbers and as a picture.",
    "sensitivity": "Accuracy against LP-A3's margin and ratio (Fig. 5).",
    "card": "What an augmenter does to images and labels, judged by another network.",
}
"""The kinds, each in a module `lpa3bench.cli.figure<kind>`, imported when it is called."""


class Kinds(click.Group):
    """Imports a kind of figure when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*FIGURES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in FIGURES:
            return None
        command: click.Command = import_module(f"lpa3bench.cli.figure{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Figures"):
            formatter.write_dl([*FIGURES.items()])


@click.group(cls=Kinds, subcommand_metavar="FIGURE [ARGS]...")
def command() -> None:
    """Draw the paper's figures and augmenter cards from runs.

    Each figure is written twice, as SVG and as PNG. The same runs give the same bytes.
    """
