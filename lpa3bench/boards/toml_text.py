"""The text of a TOML file, and the line in which each thing of it stands."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lpa3bench.errors import ConfigError

TomlPlace = tuple[str | int, ...]
"""Where something stands: `("rows", 0, "match", "task")`."""


@dataclass(frozen=True)
class TomlText:
    """The text of a TOML file, which tells the line of whatever is wrong in it."""

    path: Path
    text: str

    @cached_property
    def _lines(self) -> dict[TomlPlace, int]:
        """The line in which each key and each table begins."""
        lines: dict[TomlPlace, int] = {}
        tables: Counter[TomlPlace] = Counter()
        table: TomlPlace = ()
        statement, first = "", 1
        for number, line in enumerate(self.text.split("\n"), 1):
            statement += f"{line}\n"
            try:  # a statement ends where it is one that TOML can read
                found = _steps(tomllib.loads(statement))
            except ValueError:
                continue
            if found and statement.lstrip().startswith("["):
                table, found = _inside(found, tables), ()
            place = (*table, *found)
            for end in range(1, len(place) + 1):
                lines.setdefault(place[:end], first)
            statement, first = "", number + 1
        return lines

    def line(self, place: TomlPlace) -> int | None:
        """The line of the nearest thing around this place that begins one."""
        return next((n for end in range(len(place), 0, -1) if (n := self._lines.get(place[:end]))), None)

    def error(self, place: TomlPlace, problem: str) -> ConfigError:
        """The error with path and line in front."""
        line = self.line(place)
        return ConfigError(f"{self.path}:{line}: {problem}" if line else f"{self.path}: {problem}")


def _steps(found: Any) -> TomlPlace:
    """The keys of one statement as TOML reads it by itself, one below the other; 0 for an array of tables."""
    steps: list[str | int] = []
    while found == [{}] or (isinstance(found, dict) and len(found) == 1):
        key: str | int = 0 if isinstance(found, list) else next(iter(found))
        steps.append(key)
        found = found[key]
    return tuple(steps)


def _inside(header: TomlPlace, tables: Counter[TomlPlace]) -> TomlPlace:
    """The table that a header opens: a new element of the array that it ends in, of others the newest one.

    Args:
        tables: how many elements each array has so far; this one is counted.
    """
    place: TomlPlace = ()
    for key, after in zip(header, (*header[1:], None), strict=True):
        if not isinstance(key, int):
            place = (*place, key)
            tables[place] += isinstance(after, int)
            if tables[place]:
                place = (*place, tables[place] - 1)
    return place


def read_toml(path: Path, advice: str = "") -> TomlText:
    """The text of that file, without a byte-order mark.

    Args:
        advice: what to do where it cannot be opened.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return TomlText(path, path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
        raise ConfigError(f"{path}: {why}; {advice}" if advice else f"{path}: {why}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8") from error
