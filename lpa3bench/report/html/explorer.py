"""What a page's script chooses from: every cell by every measure, and what cells can be told apart by.

Numbers stand twice, as a reader sees them and to sort by; the script formats none.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from lpa3bench.boards.board import Board, Cell, Measure
from lpa3bench.boards.conditions import parsed, unscoped
from lpa3bench.boards.facets import filled
from lpa3bench.report.numbers import format_count, format_seconds, format_value, in_unit, scale_of
from lpa3bench.report.table import column_title
from lpa3bench.report.table_building import against, board_measure
from lpa3bench.report.table_text import against_sentence

COST_AXES = {"passes": "image passes of a run", "seconds": "seconds of training"}
EPOCHS = "run.epochs"
"""The parameter that every run has; its name is "epochs" for a reader."""


@dataclass(frozen=True)
class Choice:
    """A list to choose from."""

    key: str
    """In the page's address."""
    title: str
    options: tuple[str, ...]


def measures_shown(board: Board) -> list[Measure]:
    """The board's own first, then all others that some cell has a number of."""
    keys = dict.fromkeys(
        (board.metric, *board.also, *(key for cell in board.cells for key in cell.other_scores))
    )
    known = {key for cell in board.cells for key, value in cell.other_scores.items() if value is not None}
    return [board_measure(board, key) for key in keys if key == board.metric or key in known]


def choices(board: Board) -> list[Choice]:
    """By what cells can be chosen: only what tells some apart from others."""
    cells = board.cells
    found = (
        Choice("task", "Task", _options(cell.facets.get("task") for cell in cells)),
        Choice("data", "Data", _options(cell.facets.get("dataset") for cell in cells)),
        Choice("slot", "Slot", _options(slot for cell in cells for slot in _slots(cell))),
        Choice("group", "Group", _options(row.group for row in board.rows)),
    )
    return [choice for choice in found if len(choice.options) > 1]


def axes(board: Board) -> dict[str, str]:
    """What a chart's horizontal axis can be, by key: costs, and the parameters in which cells differ."""
    if not board.measured:
        return {}
    parameters = _parameters(board)
    values: dict[str, set[float]] = {}
    for found in parameters.values():
        for name, value in found.items():
            values.setdefault(name, set()).add(value)
    differing = sorted(name for name, of in values.items() if len(of) > 1)
    named = {name: "epochs of a run" if name == EPOCHS else name for name in differing}
    epochs = {name: named.pop(name) for name in (EPOCHS,) if name in named}
    return {**COST_AXES, **epochs, **named}


def explorer_data(board: Board) -> str:
    """As JSON that no text of a board can break out of."""
    shown = axes(board)
    parameters = _parameters(board)
    measures = measures_shown(board)
    data = {
        "own": board.metric,
        "measures": [_measure(measure) for measure in measures],
        "columns": [
            {"key": column.key, "title": column_title(column), "group": column.group, "note": column.note}
            for column in board.columns
        ],
        "rows": [
            {"key": row.key, "name": row.name, "group": row.group, "note": row.note} for row in board.rows
        ],
        "cells": {
            f"{cell.row}:{cell.column}": _cell(board, cell, measures, shown, parameters)
            for cell in board.cells
        },
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _options(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _slots(cell: Cell) -> list[str]:
    return filled(cell.facets) or (["none filled"] if cell.facets else [])


def _measure(measure: Measure) -> dict[str, Any]:
    return {
        "key": measure.key,
        "name": measure.name,
        "title": f"{measure.name}{in_unit(measure)}",
        "text": measure.text,
        "lower": not measure.higher_is_better,
    }


def _cell(
    board: Board,
    cell: Cell,
    measures: list[Measure],
    shown: dict[str, str],
    parameters: dict[tuple[str, str], dict[str, float]],
) -> dict[str, Any]:
    """`v` is of a measure the value, its mean and deviation as text; `x` is of an axis likewise, `c` against
    another row what the test says."""
    own = board_measure(board, board.metric)
    values = {}
    for measure in measures:
        mean, std = _of(board, cell, measure.key)
        if mean is not None:
            texts = [format_value(mean, measure), "" if std is None else format_value(std, measure)]
            values[measure.key] = [_short(scale_of(measure) * mean), *texts]
    places: dict[str, list[Any]] = {}
    if cell.passes is not None and cell.seconds is not None:
        places |= {
            "passes": [_short(cell.passes), format_count(cell.passes)],
            "seconds": [_short(cell.seconds), format_seconds(cell.seconds)],
        }
        known = parameters.get((cell.row, cell.column), {})
        places |= {name: [known[name], f"{known[name]:g}"] for name in shown if name in known}
    told = {one.baseline: against_sentence(against(one, own)) for one in cell.comparisons if one.n}
    return {
        "n": cell.n,
        "f": {
            "task": cell.facets.get("task", ""),
            "data": cell.facets.get("dataset", ""),
            "slot": _slots(cell),
        },
        "v": values,
        **({"x": places} if places else {}),
        **({"c": told} if told else {}),
    }


def _of(board: Board, cell: Cell, key: str) -> tuple[float | None, float | None]:
    if key == board.metric:
        return cell.mean, cell.std
    return cell.other_scores.get(key), cell.other_stds.get(key)


def _short(number: float) -> float:
    return float(f"{number:.6g}")


def _parameters(board: Board) -> dict[tuple[str, str], dict[str, float]]:
    """Every number in the configs, by cell, as its first record has it; by its name without the scope, where
    the cell has one object of that class."""
    found = {}
    for cell in board.cells:
        config = board.records.get(cell.records[0], {}).get("config", {}) if cell.records else {}
        times = Counter(map(unscoped, config))
        found[cell.row, cell.column] = {
            unscoped(name) if times[unscoped(name)] == 1 else name: number
            for name, text in config.items()
            if (number := _number(text)) is not None
        }
    return found


def _number(text: str) -> float | None:
    """None: it is none, or larger than any float."""
    value = parsed(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
