"""The parts of a drafted `board.toml`, and its text, under a mark that tells whether somebody edited it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lpa3bench.records import Record
from lpa3bench.runtime.files import digest

ColumnKey = tuple[tuple[str, Any], ...]
"""Data set, labels with their parameters, and backbone: what makes a column."""


@dataclass(frozen=True)
class DraftPart:
    """A row or a column: what it is called and what belongs to it."""

    name: str
    match: Mapping[str, Any]
    group: str = ""
    baseline: str | None = None
    key: str = ""
    columns: tuple[str, ...] = ()
    """Keys of those that a row has records in; (): all."""
    members: Mapping[ColumnKey, Record] = field(default_factory=dict)
    """A record of a row in each of its columns."""


def is_unedited(text: str) -> bool:
    """Whether it is a draft in which nobody changed anything."""
    mark, newline, rest = text.partition("\n")
    return mark + newline == _mark(rest)


def marked(text: str) -> str:
    """The text of a draft, with its mark."""
    return _mark(text) + text


def _mark(text: str) -> str:
    """The first line of a draft, which knows the text below it."""
    return (
        f"# A draft ({digest(text.encode())}): drafted anew whenever records are taken, until anything in it "
        "is edited.\n"
    )


def with_keys(parts: Sequence[DraftPart]) -> list[DraftPart]:
    """With keys made of the names, each once."""
    keys: dict[str, str] = {}
    for part in parts:
        key = stem = re.sub(r"[^a-z0-9]+", "-", part.name.lower()).strip("-") or "x"
        while key in keys.values():
            key = f"{stem}-{len(keys)}"
        keys[part.name] = key
    return [
        replace(part, key=keys[part.name], baseline=keys[part.baseline] if part.baseline else None)
        for part in parts
    ]


def table_of(kind: str, part: DraftPart) -> str:
    """The part as a table of `board.toml`."""
    lines = [f"\n[[{kind}]]", f"key = {toml_value(part.key)}", f"name = {toml_value(part.name)}"]
    if part.group:
        lines.append(f"group = {toml_value(part.group)}")
    if part.baseline:
        lines.append(f"baseline = {toml_value(part.baseline)}")
    if part.columns:
        lines.append(f"columns = {toml_value(part.columns)}")
    lines.append(f"[{kind}.match]")
    lines += [f"{toml_value(name)} = {toml_value(value)}" for name, value in part.match.items()]
    return "\n".join(lines) + "\n"


def keys_of(part: DraftPart) -> str:
    """The part in one line, for a sentence."""
    (part,) = with_keys([part])
    match = ", ".join(f"{toml_value(name)} = {toml_value(value)}" for name, value in part.match.items())
    return f"key = {toml_value(part.key)}, name = {toml_value(part.name)}, match = {{ {match} }}"


def toml_value(value: Any) -> str:
    """As TOML writes it: a string or a list of JSON is one of TOML, and so is a number or a boolean."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)
