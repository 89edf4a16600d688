"""Conditions on records, by which a board's rows and columns say what belongs to them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from lpa3bench.records import Record
from lpa3bench.records.config_text import value_of

CELL_FIELDS = ("task", "dataset", "labels", "backbone", "setting", "epochs", "name")
NUMERICS, IDENTITY = "numerics", "identity"
"""The engine's numerics version, and the short hash of all that an experiment is."""
FIELDS = (*CELL_FIELDS, NUMERICS, IDENTITY)
"""What a condition may name beside slots and parameters."""
SLOT = "slots."
NONE = "none"
"""How a board says None: an unbound slot, no setting, a parameter that is None or that there is not."""

ConditionValue = str | int | float | bool
ConditionTable = dict[str, ConditionValue | Annotated[list[ConditionValue], msgspec.Meta(min_length=1)]]
"""By name, the value that a record must have, or the alternatives."""


@dataclass(frozen=True)
class Condition:
    """One of these values, in that place of a record."""

    name: str
    """A field of the cell (`task`), a slot (`slots.positives`), a parameter (`LPA3.margin`), or a source.

    A parameter without a scope means that of every object so called: `LPA3.iterations` is met by
    `positives/LPA3.iterations` too.
    """
    values: tuple[ConditionValue, ...]

    def holds(self, record: Record) -> bool:
        """Whether the record meets it."""
        return any(equal(found, wanted) for found in self._found(record) for wanted in self.values)

    def value_of(self, record: Record) -> Any:
        """What stands there; of several objects so called, in the first."""
        return next(self._found(record))

    def _found(self, record: Record) -> Iterator[Any]:
        if self.name in CELL_FIELDS:
            yield _plain(getattr(record.cell, self.name))
        elif self.name == NUMERICS:
            yield record.numerics
        elif self.name == IDENTITY:
            yield record.identity
        elif self.name.startswith(SLOT):
            yield record.slots.get(self.name.removeprefix(SLOT), NONE)
        else:
            names = [key for key in record.config if key == self.name or unscoped(key) == self.name]
            yield from (parsed(record.config[key]) for key in names)
            if not names:
                yield NONE


def all_that_conditions_see(record: Record) -> Hashable:
    """Records of which it is equal meet the same conditions."""
    return (
        *(getattr(record.cell, name) for name in CELL_FIELDS),
        record.numerics,
        record.identity,
        tuple(record.slots.items()),
        tuple(record.config.items()),
    )


@dataclass(frozen=True)
class Conditions:
    """All of `match` and none of `unless`."""

    match: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()

    @classmethod
    def of(cls, table: Mapping[str, ConditionTable]) -> Conditions:
        """From the keys `match` and `unless` of a table of `board.toml`."""
        return cls(*(_conditions(table.get(key, {})) for key in ("match", "unless")))

    def fit(self, record: Record) -> bool:
        """Whether the record meets them."""
        return self.failed(record) is None

    def failed(self, record: Record) -> str | None:
        """The first that the record does not meet, in words; None: it meets them."""
        condition = self.failing(record)
        if condition is None:
            return None
        verb = "is not" if condition in self.match else "is"
        return f"{condition.name} {verb} {' or '.join(map(str, condition.values))}"

    def failing(self, record: Record) -> Condition | None:
        """The first of `match` that does not hold, else of `unless` that does."""
        lacking = (condition for condition in self.match if not condition.holds(record))
        barring = (condition for condition in self.unless if condition.holds(record))
        return next(lacking, None) or next(barring, None)


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same: 0 is 0.0, and neither is false."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def unscoped(name: str) -> str:
    """A parameter's name without the scopes before it: `LPA3.margin` of `positives/LPA3.margin`."""
    return name.rpartition("/")[2]


def parsed(text: str) -> ConditionValue:
    """A parameter's value from its text in a record: None is `NONE`; tuples, references and what is no finite
    number stay text."""
    try:
        value = _plain(value_of(text))
    except ValueError:
        return text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    return value if isinstance(value, str | int | float | bool) else text


def _plain(value: Any) -> Any:
    return NONE if value is None else value


def _conditions(table: ConditionTable) -> tuple[Condition, ...]:
    return tuple(
        Condition(name, tuple(wanted) if isinstance(wanted, list) else (wanted,))
        for name, wanted in table.items()
    )
