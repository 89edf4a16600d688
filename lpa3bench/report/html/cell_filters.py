"""What the template of a cell's page asks of its board."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lpa3bench.boards.board import Board, Measure
from lpa3bench.boards.cell_commands import suite_seeds
from lpa3bench.report.html.cell_charts import seed_dots
from lpa3bench.report.html.details import (
    neighbours_forecast,
    seeds_to_run,
    told_of_a_cell,
    verdict_sentence,
)
from lpa3bench.report.numbers import format_seeds
from lpa3bench.report.table_building import board_measure, unequal_cost

BUILD = "lpa3bench leaderboard build"


def cell_filters(board: Board, own: Measure) -> dict[str, Callable[..., Any]]:
    """By their names in `cell.html.j2`.

    Args:
        own: the measure that the board's cells show.
    """
    return {
        "sentence": lambda comparison, other: verdict_sentence(comparison, other, own),
        "unequal": unequal_cost,
        "is_told": lambda name: told_of_a_cell(board, name),
        "seed_dots": lambda cell: seed_dots(board, cell, own),
        "forecast": lambda cell: neighbours_forecast(board, cell),
        "seeds_to_run": lambda cell: seeds_to_run(board, cell),
        "suite_seeds": lambda board: suite_seeds(board.commands),
        "span": format_seeds,
        "claim_of": lambda metric: claim_of(board, metric),
        "taking": taking,
    }


def claim_of(board: Board, metric: str) -> str:
    """What a published number is of."""
    told = {
        "unknown": "its source does not tell which epoch counts",
        "none": "of another quantity than any score of a record",
    }
    return told.get(metric) or f"a claim of {board_measure(board, metric).name}"


def taking(board: Board) -> str:
    """The command that takes records into the board: its own, where its `board.toml` tells one."""
    own = (command for command in board.commands if command.startswith(BUILD) and " --from " in command)
    return next(own, f"{BUILD} {board.key} --from runs")
