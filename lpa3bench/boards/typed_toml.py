"""TOML files read into typed structures; what is wrong in one is told in a line that opens with its path."""

from __future__ import annotations

import math
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from lpa3bench.boards.toml_text import TomlPlace, TomlText
from lpa3bench.errors import ConfigError

_T = TypeVar("_T", bound=msgspec.Struct)

Key = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")]
Title = Annotated[str, msgspec.Meta(min_length=1)]

LARGEST_INTEGER = 2**63 - 1
"""TOML's own."""
_PLACED = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?", re.DOTALL)
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_LACKING_KEY = re.compile(r"Object missing required field `(.*)`")
_STEP = re.compile(r"\[(\d+|\.\.\.)\]|([^.\[\]]+)")
_WHERE = re.compile(r" \(at line (\d+), column \d+\)$")


def parse_toml(source: TomlText, kind: type[_T]) -> _T:
    """The structure that the text holds.

    Raises:
        ConfigError: it is no TOML, or holds a key, a type or a value that the structure does not allow, or a
            number that is none or too large.
    """
    try:
        data = tomllib.loads(source.text)
    except RecursionError as error:
        raise ConfigError(f"{source.path}: is nested too deep") from error
    except ValueError as error:  # a number of thousands of digits is no error of TOML
        line = _WHERE.search(str(error))
        where, what = (f":{line[1]}", _WHERE.sub("", str(error))) if line else ("", str(error))
        raise ConfigError(f"{source.path}{where}: is no TOML: {what}") from error
    for place, value in _leaves(data, ()):
        if problem := _no_number(value):
            raise source.error(place, f"{shown(place)}: {problem}")
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        place, problem = _problem(str(error), kind)
        raise source.error(place, problem) from error


def _leaves(found: Any, place: TomlPlace) -> Iterator[tuple[TomlPlace, Any]]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield from _leaves(value, (*place, key))
    elif isinstance(found, list):
        for index, value in enumerate(found):
            yield from _leaves(value, (*place, index))
    else:
        yield place, found


def _no_number(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be a number, not {value}"
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return "is a number too large for TOML"
    return None


def shown(place: TomlPlace) -> str:
    """The place in words, which count from one: `rows[2].match`."""
    return "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in place).removeprefix(".")


# ------------------------------------------------------------------------------------ what means nothing
def doubled(place: TomlPlace, names: Sequence[str], key: TomlPlace = ()) -> Iterator[tuple[TomlPlace, str]]:
    """The places of names that stood there before, each with what is wrong.

    Args:
        key: where in each of the tables of that place the name stands.
    """
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (*place, index, *key), f"{shown(place)}: {name} stands there {names.count(name)} times"


def unreadable(place: TomlPlace, before: str, texts: Mapping[str, str]) -> Iterator[tuple[TomlPlace, str]]:
    """The places of texts for readers that are blank, or have signs that show as nothing.

    Args:
        before: who they belong to, to open the sentence with.
        texts: by key. Only `text` and `note` may be empty, or have several lines.
    """
    for key, text in texts.items():
        long = key in ("text", "note")
        if text and not text.strip():
            yield (*place, key), f"{before}{key}: is blank"
        if sign := _strange_sign(text, "\n\t" if long else ""):
            yield (*place, key), f"{before}{key}: has the sign {sign}, which shows as nothing; take it out"


def _strange_sign(text: str, allowed: str) -> str | None:
    """The code of the first sign that shows as nothing, or that a terminal would obey."""
    signs = (sign for sign in text if sign not in allowed + _JOINERS)
    return next((f"U+{ord(sign):04X}" for sign in signs if unicodedata.category(sign) in _UNSEEN), None)


_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_JOINERS = "\u200c\u200d\u00ad"
"""Signs of some scripts, and hyphens."""


def no_such(name: str, known: Iterable[str]) -> str:
    """That there is no such name, and which one may be meant."""
    names = [*known]
    near = get_close_matches(name, names, n=1)
    return f"there is no {name}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}")


def _problem(message: str, kind: type[msgspec.Struct]) -> tuple[TomlPlace, str]:
    """The place in msgspec's message; and what it says with our places, and the nearest of the known keys."""
    found = _PLACED.fullmatch(message)
    assert found is not None
    what, steps = found["what"], _STEP.findall(found["place"] or "")
    place: list[str | int] = []
    for number, name in steps:
        if number == "...":
            break
        place.append(name or int(number))
    if unknown := _UNKNOWN_KEY.fullmatch(what):
        what = no_such(unknown[1], _keys_at(kind, steps))
        line = (*place, unknown[1])
    elif lacking := _LACKING_KEY.fullmatch(what):
        what, line = f"the key {lacking[1]} is missing", (*place,)
    else:
        what, line = what[0].lower() + what[1:].replace("`", ""), (*place,)
    where = re.sub(r"\[(\d+)\]", lambda number: f"[{int(number[1]) + 1}]", found["place"] or "")
    return line, f"{where}: {what}" if where else what


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
