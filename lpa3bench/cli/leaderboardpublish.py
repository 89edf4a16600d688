"""`lpa3bench leaderboard publish`: a board as a table and an artifact at Weights & Biases."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from lpa3bench.cli.options import json_option
from lpa3bench.cli.publish import advise, result_line, switched_off, target_options
from lpa3bench.cli.terminal import say


@click.command()
@click.argument("board", metavar="BOARD", type=click.Path(path_type=Path, exists=True, file_okay=False))
@target_options
@json_option
def command(
    board: Path, project: str | None, entity: str | None, offline: bool, timeout: float, as_json: bool
) -> None:
    """Show a board at Weights & Biases: a table, and its files as an artifact.

    BOARD is the folder of a built board. Its content decides the id at W&B: to publish the same board again
    changes nothing, a rebuilt one with other numbers is a new run and a new version of the artifact.
    """
    from lpa3bench.publish.from_board import board_state_folder, read_board
    from lpa3bench.publish.target import Deadline, Target
    from lpa3bench.publish.upload import upload

    if switched_off():
        return
    target = Target(project=project, entity=entity, offline=offline)
    done = upload(read_board(board), board_state_folder(board), target, Deadline(timeout))
    found = {"board": str(board), **asdict(done)}
    say(json.dumps(found, indent=1) if as_json else f"{board}: {result_line(done)}", as_is=as_json)
    advise(done, f"lpa3bench leaderboard publish {board}")
