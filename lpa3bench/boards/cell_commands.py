"""The command that runs a cell: as its records tell, else as its conditions and the shipped gin files do."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lpa3bench.boards.board import Column, Row
from lpa3bench.boards.conditions import NONE, SLOT, Condition, ConditionValue, equal, parsed, unscoped
from lpa3bench.boards.definition import Definition
from lpa3bench.records import Record
from lpa3bench.runtime.paths import OVERLAYS, config_names, gin_root
from lpa3bench.types import SLOTS

RUN_COMMAND = ("lpa3bench", "run")
POLICIES = "policies/"
OF_THE_CELL = ("--setting", "-p", "--param", "--plugin")
"""Options that say what is run; the others say where, on what, or with which seed."""
FLAGS = ("--fresh", "--dry-run", "--explain", "--download", "--json")
"""Options without a value."""
_INCLUDED = re.compile(r'^include "(.+)\.gin"', re.MULTILINE)
_BOUND = re.compile(r"^run\.(\w+) = @(?:\w+/)?augmenters\.(\w+)\(\)", re.MULTILINE)
_SET = re.compile(r"^((?:\w+/)?[A-Z]\w*\.\w+) = (.+?)\s*(?:#.*)?$", re.MULTILINE)
_SEEDS = re.compile(r"^suite\.seeds = \(([\d, ]+)\)", re.MULTILINE)
_COST = re.compile(r"^# Cost: (.+\n(?:# (?!Published).+\n)*)", re.MULTILINE)


def command_of(records: Sequence[Record]) -> str:
    """What was typed for these runs, without seeds, folders and devices; empty where they do not agree."""
    told = {_own_words(record.data.provenance.command) for record in records}
    return shlex.join(told.pop()) if len(told) == 1 else ""


def _own_words(command: Sequence[str]) -> tuple[str, ...]:
    """(): it is another command than `lpa3bench run`."""
    if tuple(command[:2]) != RUN_COMMAND:
        return ()
    kept, words = [*RUN_COMMAND], iter(command[2:])
    for word in words:
        option, equals, _ = word.partition("=")
        if not word.startswith("-") or (option in OF_THE_CELL and equals):
            kept.append(word)
        elif word in OF_THE_CELL:
            kept += [word, next(words, "")]
        elif not equals and word not in FLAGS:
            next(words, "")
    return tuple(kept)


@dataclass(frozen=True)
class PlannedRun:
    """How to run a cell that has no records, as far as the shipped gin files tell."""

    command: str
    """Without a seed; empty where no shipped file is for it."""
    conditions: tuple[str, ...]
    """What a run must be to stand in the cell, each in a few words."""
    cost: str
    """What the config file says that a run costs."""


def planned_run(definition: Definition, row: Row, column: Column) -> PlannedRun:
    """How to fill that cell."""
    parts = (definition.conditions, definition.of_row[row.key], definition.of_column[column.key])
    match = [condition for part in parts for condition in part.match]
    unless = [condition for part in parts for condition in part.unless]
    wanted = _wanted(match, unless)
    told = (*(_told(c, "") for c in match), *(_told(c, "not ") for c in unless))
    file = f"{wanted.get('dataset')}_{wanted.get('task')}".lower()
    if file not in config_names():
        return PlannedRun("", told, "")
    words = [*RUN_COMMAND, file]
    base = _slots(file)
    needed = {
        str(slot): wanted[SLOT + slot]
        for slot in SLOTS
        if SLOT + slot in wanted and wanted[SLOT + slot] != base.get(slot, NONE)
    }
    parameters = {name: value for name, value in wanted.items() if name[:1].isupper() and value != NONE}
    for name in [*parameters]:
        if policy := _policy(name, parameters[name]):
            words.append(policy)
            del parameters[name]
    if needed:
        overlay = _overlay(needed, parameters, unless)
        if overlay is None:
            return PlannedRun("", told, _cost(file))
        words.append(overlay)
        parameters = {name: v for name, v in parameters.items() if not _sets(overlay, name, v)}
    if (setting := wanted.get("setting", NONE)) != NONE:
        words += ["--setting", str(setting)]
    for name, value in parameters.items():
        text = value if isinstance(value, str) and value.startswith("@") else repr(value)
        words += ["-p", f"{name}={text}"]
    return PlannedRun(shlex.join(words), told, _cost(file))


def _wanted(match: Sequence[Condition], unless: Sequence[Condition]) -> dict[str, ConditionValue]:
    """By name, the first value that all conditions allow; `NONE` where that is one, as it takes nothing."""
    allowed: dict[str, list[ConditionValue]] = {}
    for condition in match:
        before = allowed.get(condition.name, [*condition.values])
        allowed[condition.name] = [
            value for value in before if any(equal(value, one) for one in condition.values)
        ]
    for condition in unless:
        before = allowed.get(condition.name, [])
        left = [value for value in before if not any(equal(value, one) for one in condition.values)]
        allowed[condition.name] = left
    return {name: NONE if NONE in values else values[0] for name, values in allowed.items() if values}


def _told(condition: Condition, negation: str) -> str:
    return f"{condition.name} is {negation}{' or '.join(map(str, condition.values))}"


# ---------------------------------------------------------------------------------------- shipped gin files
def _text(name: str) -> str:
    return (gin_root() / f"{name}.gin").read_text(encoding="utf-8")


def _slots(name: str) -> dict[str, str]:
    """What the file binds to slots, by slot; what it includes comes first."""
    text = _text(name)
    found: dict[str, str] = {}
    for included in _INCLUDED.findall(text):
        found |= _slots(included)
    return found | dict(_BOUND.findall(text))


def _overlay(
    needed: Mapping[str, ConditionValue],
    parameters: Mapping[str, ConditionValue],
    unless: Sequence[Condition],
) -> str | None:
    """The shipped overlay that binds these augmenters and no others, and sets as little else as it can."""
    fitting = [
        (_missing(name, parameters), len(_set(name)), name)
        for name in config_names()
        if name.startswith(OVERLAYS) and _slots(name) == needed and not any(_breaks(name, c) for c in unless)
    ]
    return min(fitting)[2] if fitting else None


def _policy(parameter: str, value: ConditionValue) -> str | None:
    """The shipped file that gives a task that threshold policy."""
    return next((n for n in config_names() if n.startswith(POLICIES) and _sets(n, parameter, value)), None)


def _missing(name: str, parameters: Mapping[str, ConditionValue]) -> int:
    return sum(not _sets(name, key, value) for key, value in parameters.items())


def _breaks(name: str, condition: Condition) -> bool:
    return any(_sets(name, condition.name, value) for value in condition.values)


def _sets(name: str, parameter: str, value: ConditionValue) -> bool:
    """Whether the file gives that parameter that value."""
    return any(equal(found, value) for key, found in _set(name) if parameter in (key, unscoped(key)))


def _set(name: str) -> list[tuple[str, ConditionValue]]:
    return [*_settings(_text(name))]


def _settings(text: str) -> Iterator[tuple[str, ConditionValue]]:
    for key, value in _SET.findall(text):
        yield key, parsed(value)


def suite_seeds(commands: Sequence[str]) -> tuple[int, ...]:
    """Those of the first shipped suite among these commands that writes them out; (): none does."""
    for words in (command.split() for command in commands):
        path = gin_root() / f"{words[2]}.gin" if words[:2] == ["lpa3bench", "suite"] and words[2:] else None
        told = _SEEDS.search(path.read_text(encoding="utf-8")) if path and path.is_file() else None
        if told:
            return tuple(map(int, re.findall(r"\d+", told[1])))
    return ()


def _cost(name: str) -> str:
    """What stands under "Cost" in the file's head, on one line."""
    found = _COST.search(_text(name))
    return " ".join(found[1].replace("\n# ", " ").split()) if found else ""
