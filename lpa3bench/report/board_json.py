"""A board as JSON, for programs. `BoardFile` says what is in it, and `board_json_schema` as JSON Schema."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from lpa3bench.boards.board import Board

BOARD_SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class RecordDigest:
    """What tells a board's record from others; all of it stands in `results/`."""

    seed: int
    metrics: dict[str, float | None]
    flags: list[str]
    resumed: int
    """How often the run was taken up again."""
    labels_sha256: str
    data_sha256: str
    training_seconds: float
    forward_equivalents: float


@dataclass(frozen=True, kw_only=True)
class BoardFile(Board):
    """All that the board shows. Shares are in [0, 1]; null is undefined or missing, never a number."""

    schema_version: int = BOARD_SCHEMA_VERSION
    records: dict[str, RecordDigest]
    """By file name below `results`."""


def board_json(board: Board) -> str:
    file = _board_file(board)
    data = {"schema_version": file.schema_version, **msgspec.to_builtins(file)}
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def board_json_schema() -> dict[str, Any]:
    """The schema of `board.json`."""
    return msgspec.json.schema(BoardFile)


def _board_file(board: Board) -> BoardFile:
    shown = {field.name: getattr(board, field.name) for field in fields(board)}
    records = {name: _digest(record) for name, record in board.records.items()}
    return BoardFile(**{**shown, "records": records})


def _digest(record: dict[str, Any]) -> RecordDigest:
    return RecordDigest(
        seed=record["seed"],
        metrics=record["metrics"],
        flags=record["flags"],
        resumed=record["resumed"],
        labels_sha256=record["labels"]["sha256"],
        data_sha256=record["data_sha256"],
        training_seconds=record["cost"]["training_seconds"],
        forward_equivalents=record["cost"]["forward_equivalents"],
    )
