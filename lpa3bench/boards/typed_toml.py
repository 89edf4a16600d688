"""TOML files read into typed structures; what is wrong in one is told in a line that opens with its path."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from lpa3bench.errors import ConfigError

_T = TypeVar("_T", bound=msgspec.Struct)

Key = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Title = Annotated[str, msgspec.Meta(min_length=1)]

_PLACED = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?", re.DOTALL)
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_LACKING_KEY = re.compile(r"Object missing required field `(.*)`")
_STEP = re.compile(r"\[(\d+|\.\.\.)\]|([^.\[\]]+)")


def parse_toml(text: str, path: Path, kind: type[_T]) -> _T:
    """The structure that the text holds.

    Args:
        path: where the text stands or is to stand; only named in errors.

    Raises:
        ConfigError: it is no TOML, or holds a key, a type or a value that the structure does not allow.
    """
    try:
        return msgspec.convert(tomllib.loads(text), kind)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is no TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_problem(str(error), kind)}") from error


def no_such(name: str, known: Iterable[str]) -> str:
    """That there is no such name, and which one may be meant."""
    names = [*known]
    near = get_close_matches(name, names, n=1)
    return f"there is no {name}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}")


def _problem(message: str, kind: type[msgspec.Struct]) -> str:
    """msgspec's message with our places, which count from one, and with the nearest of the known keys."""
    found = _PLACED.fullmatch(message)
    assert found is not None
    what, place = found["what"], found["place"] or ""
    steps = _STEP.findall(place)
    if unknown := _UNKNOWN_KEY.fullmatch(what):
        what = no_such(unknown[1], _keys_at(kind, steps))
    elif lacking := _LACKING_KEY.fullmatch(what):
        what = f"the key {lacking[1]} is missing"
    else:
        what = what[0].lower() + what[1:].replace("`", "")
    shown = re.sub(r"\[(\d+)\]", lambda number: f"[{int(number[1]) + 1}]", place)
    return f"{shown}: {what}" if shown else what


def _keys_at(kind: Any, steps: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The keys that a structure has, or one inside of it."""
    for _, name in steps:
        if name:
            kind = next(field.type for field in msgspec.structs.fields(kind) if field.encode_name == name)
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        if not name:  # of an array all elements are of one type, and of a table all values
            kind = [part for part in get_args(kind) if part is not Ellipsis][-1]
    return tuple(field.encode_name for field in msgspec.structs.fields(kind))
