"""Records without the folders of who ran them: where something lay is nobody's business."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

QUOTED = re.compile(r"""(["'])((?:\\.|(?!\1)[^\\])*\\?)\1""", re.DOTALL)
_FOLDERS = re.compile(r"""(?<![\w.~@/\\-])(?:/|\\\\|[A-Za-z]:[/\\])[^\s'"(),;]*[/\\]""")
"""What stands before the last name of an absolute path, within other words."""
IN_FILES = re.compile(_FOLDERS.pattern.replace(r"(?<![", r"(?<![:"))
"""The same, but that of an address, `https://…`, nothing is cut."""
BITS = "correct"
"""The part of a record whose strings are packed bits, and may open like a path."""


def without_folders(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record's data with each absolute path cut to its last name: in the config, the command, anywhere."""
    return {name: part if name == BITS else _shortened(part) for name, part in record.items()}


def search_without_folders(search: Mapping[str, Any]) -> dict[str, Any]:
    """The same for the data of a search, which quotes the last words of the trials that failed."""
    tried = [
        {name: _of_prose(part) if name == "failed" and part else part for name, part in one.items()}
        for one in search["tried"]
    ]
    return {name: _shortened(part) for name, part in {**search, "tried": tried}.items()}


def text_without_folders(text: str) -> str:
    """The same for a gin file: in its values and its comments."""
    return "".join(IN_FILES.sub("", _of_quoted(line)) for line in text.splitlines(keepends=True))


def _shortened(part: Any) -> Any:
    if isinstance(part, str):
        return _of_value(part)
    if isinstance(part, Mapping):
        return {name: _shortened(value) for name, value in part.items()}
    return [_shortened(item) for item in part] if isinstance(part, list | tuple) else part


@lru_cache(4096)  # most of what records say, thousands of them do
def _of_value(text: str) -> str:
    return _last_name(_of_quoted(text))


def _of_quoted(text: str) -> str:
    """The text with the paths between quotes cut: those of a value as gin writes it, `['/home/me/a.npz']`."""
    return QUOTED.sub(lambda found: f"{found[1]}{_last_name(found[2])}{found[1]}", text)


def _of_prose(text: str) -> str:
    return _FOLDERS.sub("", _of_quoted(text))


def _last_name(word: str) -> str:
    """The last name of a path, also after the first `=`: `--out=/data/runs` is `--out=runs`."""
    head, sign, tail = word.partition("=")
    for before, path in (("", word), (head + sign, tail)):
        if PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute():
            return before + PureWindowsPath(path).name
    return word
