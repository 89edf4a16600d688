"""Conditions and baselines of a `board.toml` that are well-formed and mean nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Protocol

from lpa3bench.boards.conditions import (
    FIELDS,
    IDENTITY,
    NUMERICS,
    SLOT,
    ConditionTable,
    ConditionValue,
    equal,
)  # fmt: skip
from lpa3bench.boards.toml_text import TomlPlace
from lpa3bench.boards.typed_toml import doubled, no_such, shown
from lpa3bench.types import SLOTS

WHOLE_NUMBERS = ("epochs", NUMERICS)
"""Fields that are one; the other fields and the slots are text."""


class _Conditioned(Protocol):
    """The board, a row or a column."""

    @property
    def match(self) -> ConditionTable: ...
    @property
    def unless(self) -> ConditionTable: ...


def wrong_conditions(place: TomlPlace, where: str, part: _Conditioned) -> Iterator[tuple[TomlPlace, str]]:
    """What a condition names that no record has, and values that no record can have there.

    Parameters are known to plugins, and not here.
    """
    for kind, table in (("match", part.match), ("unless", part.unless)):
        for name, wanted in table.items():
            if problem := _unknown(name) or _wrong_value(name, _alternatives(wanted)):
                yield (*place, kind, name), f"{where}: {kind}: {problem}"


def _unknown(name: str) -> str | None:
    slots = [f"{SLOT}{slot}" for slot in SLOTS]
    if name in FIELDS or name in slots:
        return None
    if name.startswith(SLOT) or "." not in name:
        return no_such(name, (*FIELDS, *slots, "LPA3.margin"))
    return None


def _wrong_value(name: str, values: list[ConditionValue]) -> str | None:
    for index, value in enumerate(values):
        if any(equal(value, other) for other in values[:index]):
            return f"{name}: {value} stands there twice"
        if isinstance(value, str) and not value.strip():
            return f"{name}: is blank"
        if name in WHOLE_NUMBERS and type(value) is not int:
            return f"{name}: must be a whole number, not {value!r}"
        if (name in FIELDS or name.startswith(SLOT)) and name not in WHOLE_NUMBERS and type(value) is not str:
            return f"{name}: must be text, not {value!r}"
        if name == IDENTITY and not re.fullmatch("[0-9a-f]{8}", str(value)):
            return f"{name}: {value} is no identity, the eight digits in a run's name"
    return None


def never_met(one: ConditionTable, other: ConditionTable) -> str | None:
    """The field or slot of which the two ask for different values, so that no record meets both."""
    for name in one:
        if name in other and (name in FIELDS or name.startswith(SLOT)):  # parameters may be several
            ours, theirs = _alternatives(one[name]), _alternatives(other[name])
            if not any(equal(value, wanted) for value in ours for wanted in theirs):
                here, there = (" or ".join(map(str, values)) for values in (ours, theirs))
                return f"{name} is {here} here and {there} there"
    return None


def _alternatives(wanted: ConditionValue | list[ConditionValue]) -> list[ConditionValue]:
    return wanted if isinstance(wanted, list) else [wanted]


class _Asking(Protocol):
    """A question of the board."""

    @property
    def rows(self) -> tuple[str, ...]: ...
    @property
    def against(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[str, ...] | None: ...


def unanswerable(
    place: TomlPlace, question: _Asking, rows: Sequence[str], columns: Sequence[str]
) -> Iterator[tuple[TomlPlace, str]]:
    """What a question asks of rows and columns that are none, twice, or of a row against itself."""
    for name, keys, known in (
        ("rows", question.rows, rows),
        ("against", question.against, rows),
        ("columns", question.columns or (), columns),
    ):
        yield from doubled((*place, name), keys)
        for key in keys:
            if key not in known:
                yield (*place, name), f"{shown(place)}: {name}: {no_such(key, known)}"
    for key in question.rows:
        if key in question.against:
            yield place, f"{shown(place)}: {key} would be compared with itself"


def mirrored(
    questions: Sequence[_Asking], baselines: Mapping[str, str | None], columns: Sequence[str]
) -> Iterator[tuple[TomlPlace, str]]:
    """Questions that ask once more what another one asks, or the other way round what another one or a
    baseline does: it would count twice in the correction.

    Args:
        baselines: of every row, by its key.
    """
    known = {(row, against, column) for row, against in baselines.items() if against for column in columns}
    before: set[tuple[str, str, str]] = set()
    for index, question in enumerate(questions):
        asked = {*product(question.rows, question.against, question.columns or columns)}
        for row, against, column in sorted(asked):
            if (against, row, column) in known:
                told = f"{against} is compared with {row} already, in {column}; ask it that way round"
                yield ("questions", index), f"{shown(('questions', index))}: {told}"
        for row, against, column in sorted(asked & before):
            told = f"an earlier question compares {row} with {against} in {column} already"
            yield ("questions", index), f"{shown(('questions', index))}: {told}"
        known |= asked
        before |= asked


def wrong_equal_cost(key: str, baselines: Mapping[str, str | None]) -> str | None:
    """Why the row called so cannot be the task alone at a method's cost, in a few words; None: it can."""
    if key not in baselines:
        return no_such(key, baselines)
    if methods := [row for row, baseline in baselines.items() if baseline == key]:
        return f"{key} is the baseline of {', '.join(methods)}; name the row that is trained for their cost"
    return None if baselines[key] else f"{key} has no baseline: it is that one, trained for longer"


def wrong_baselines(baselines: Mapping[str, str | None]) -> Iterator[tuple[TomlPlace, str]]:
    """Baselines that are no row, and rows that are, from one to the next, compared with themselves.

    Args:
        baselines: of every row, by its key.
    """
    for index, (row, baseline) in enumerate(baselines.items()):
        place = ("rows", index, "baseline")
        if baseline is not None and baseline not in baselines:
            yield place, f"rows {row}: baseline: {no_such(baseline, baselines)}"
            continue
        chain = [row]
        while (after := baselines.get(chain[-1])) and after not in chain:
            chain.append(after)
        if after == row:
            circle = " → ".join((*chain, row))
            yield place, f"rows {row}: baseline: a circle, {circle}; one of them is compared with none"
