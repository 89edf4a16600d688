"""`board.toml`: which rows and columns a board has, what belongs into them, and what others published."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from lpa3bench.boards.board import Column, Published, Row
from lpa3bench.boards.conditions import FIELDS, SLOT, Conditions
from lpa3bench.boards.measures import problem_of
from lpa3bench.errors import ConfigError

NAME = "board.toml"
SCHEMA = Path(__file__).with_name("definition_schema.json")
NOT_MEASURED = ("unknown", "none")
"""Metrics of published numbers that are no measure."""
PERCENT = 100


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What a `board.toml` says."""

    path: Path
    title: str
    text: str
    metric: str
    also: tuple[str, ...]
    protocol: int
    commands: tuple[str, ...]
    conditions: Conditions
    """What every record must meet."""
    changed: frozenset[str] | None
    """Parameters that may differ from the published setting, with or without their scope; None: all."""
    records_of: str | None
    """The board beside it whose records it shows, with none of its own."""
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    of_row: Mapping[str, Conditions]
    of_column: Mapping[str, Conditions]
    only: Mapping[str, tuple[str, ...]]
    """The columns that a row is planned in, where it is not in all."""
    ranked: tuple[str, ...]
    """Rows that are ranked against each other, over the columns in which all of them are measured."""
    published: Mapping[tuple[str, str], Published]

    @property
    def key(self) -> str:
        """The folder's name."""
        return self.path.resolve().parent.name

    def planned(self) -> Iterator[tuple[Row, Column]]:
        """Every cell, by row, then by column."""
        for row in self.rows:
            for column in self.columns:
                if column.key in self.only.get(row.key, (column.key,)):
                    yield row, column


def load(folder: Path) -> Definition:
    """The definition of the board in that folder.

    Raises:
        ConfigError: there is no `board.toml`, or something in it is wrong; one line that opens with its path.
    """
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); `--from runs/` writes one for the records there"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8") from error
    return read(text, path)


def read(text: str, path: Path) -> Definition:
    """The definition with that text, which stands in `path` or is to stand there.

    Raises:
        ConfigError: as `load`.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is no TOML: {error}") from error
    problem = _malformed(data) or next(_nonsense(data), None)
    if problem:
        raise ConfigError(f"{path}: {problem}")
    rows, columns = data["rows"], data["columns"]
    return Definition(
        path=path,
        title=data["title"],
        text=data.get("text", "").strip(),
        metric=data["metric"],
        also=tuple(data.get("also", ())),
        protocol=data["protocol"],
        commands=tuple(data.get("commands", ())),
        conditions=Conditions.of(data),
        changed=frozenset(data["changed"]) if "changed" in data else None,
        records_of=data.get("records_of"),
        rows=tuple(Row(baseline=row.get("baseline"), **_words(row)) for row in rows),
        columns=tuple(Column(**_words(column)) for column in columns),
        of_row={row["key"]: Conditions.of(row) for row in rows},
        of_column={column["key"]: Conditions.of(column) for column in columns},
        only={row["key"]: tuple(row["columns"]) for row in rows if "columns" in row},
        ranked=tuple(data.get("ranked", (row["key"] for row in rows if "columns" not in row))),
        published=dict(_published(data)),
    )


def _words(table: Mapping[str, Any]) -> dict[str, str]:
    return {name: table.get(name, "").strip() for name in ("key", "name", "group", "note")}


def _published(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Published]]:
    for claim in data.get("published", ()):
        for column, (mean, *std) in claim["values"].items():
            yield (
                (claim["row"], column),
                Published(
                    mean=_share(mean),
                    std=_share(std[0]) if std else None,
                    n=claim.get("n"),
                    source=claim["source"],
                    metric=claim["metric"],
                    note=claim.get("note", "").strip(),
                ),
            )


def _share(percent: float) -> float:
    return round(percent / PERCENT, 8)


# ------------------------------------------------------------------------------------------------- checking
@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _malformed(data: Mapping[str, Any]) -> str | None:
    """What is wrong with the form, in a few words."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator().iter_errors(data))
    if error is None:
        return None
    where = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return f"{where.lstrip('.')}: {error.message}" if where else str(error.message)


def _nonsense(data: Mapping[str, Any]) -> Iterator[str]:
    """What is well-formed and means nothing, in a few words each."""
    keys = {kind: [item["key"] for item in data[kind]] for kind in ("rows", "columns")}
    for kind, found in keys.items():
        for key, times in Counter(found).items():
            if times > 1:
                yield f"{kind}: the key {key} stands there {times} times"
    for key in (data["metric"], *data.get("also", ())):
        if problem := problem_of(key):
            yield f"metric: {problem}"
    yield from _wrong_conditions(data, "the board")
    for kind in keys:
        for item in data[kind]:
            yield from _wrong_conditions(item, f"{kind} {item['key']}")
    for row in data["rows"]:
        if "baseline" in row and (row["baseline"] not in keys["rows"] or row["baseline"] == row["key"]):
            yield f"rows {row['key']}: baseline: {_unknown(row['baseline'], keys['rows'])}"
        for column in row.get("columns", ()):
            if column not in keys["columns"]:
                yield f"rows {row['key']}: columns: {_unknown(column, keys['columns'])}"
    for row in data.get("ranked", ()):
        if row not in keys["rows"]:
            yield f"ranked: {_unknown(row, keys['rows'])}"
    yield from _wrong_claims(data, keys)


def _wrong_conditions(table: Mapping[str, Any], where: str) -> Iterator[str]:
    for part in ("match", "unless"):
        for name in table.get(part, {}):
            if not (name in FIELDS or name.startswith(SLOT) or "." in name):
                fields = (*FIELDS, f"{SLOT}view", "LPA3.margin")
                yield f"{where}: {part}: {_unknown(name, fields)}"


def _wrong_claims(data: Mapping[str, Any], keys: Mapping[str, list[str]]) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    planned = {row["key"]: row.get("columns", keys["columns"]) for row in data["rows"]}
    for claim in data.get("published", ()):
        row = claim["row"]
        if row not in planned:
            yield f"published: row: {_unknown(row, keys['rows'])}"
            continue
        if claim["metric"] not in NOT_MEASURED and (problem := problem_of(claim["metric"])):
            yield f"published {row}: metric: {problem}; or {' or '.join(NOT_MEASURED)}"
        for column in claim["values"]:
            if column not in planned[row]:
                yield f"published {row}: values: {_unknown(column, planned[row])}"
            if (row, column) in seen:
                yield f"published {row}: values: {column} stands there twice"
            seen.add((row, column))


def _unknown(name: str, known: Any) -> str:
    near = get_close_matches(name, known, n=1)
    return f"there is no {name}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}")
