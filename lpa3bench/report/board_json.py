"""A board as JSON, for programs; `board_schema.json` says what is in it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lpa3bench.boards.board import Board

SCHEMA_VERSION = 1
SCHEMA = Path(__file__).with_name("board_schema.json")
OF_RECORD = ("seed", "metrics", "flags", "resumed")
"""What the file tells of each record; all of it stands in `results/`."""


def dump(board: Board) -> str:
    """The file: everything that the board shows; of records what tells them apart."""
    data = {"schema_version": SCHEMA_VERSION, **asdict(board), "records": _records(board)}
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _records(board: Board) -> dict[str, Any]:
    return {
        file: {
            **{name: record[name] for name in OF_RECORD},
            "labels_sha256": record["labels"]["sha256"],
            "data_sha256": record["data_sha256"],
            "training_seconds": record["cost"]["training_seconds"],
            "forward_equivalents": record["cost"]["forward_equivalents"],
        }
        for file, record in board.records.items()
    }
