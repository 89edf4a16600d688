"""A grid: cells times the values of some parameters, written as axes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from lpa3bench.config.bindings import RUN, GinReference, Origin
from lpa3bench.config.names import RUN_KINDS
from lpa3bench.errors import ConfigError, UsageError
from lpa3bench.suites.cells import SuiteCell
from lpa3bench.types import SLOTS

SETTING, OVERLAY = "setting", "overlay"
"""Axes that are no parameter: which of the settings is taken, and which overlay file goes over the cell."""
NOTHING = "none"
"""The value of a slot, or of an axis of overlays, that leaves it empty."""
MOST_CELLS = 10_000
FACTORIES = ("backbone",)
"""Parameters of `run` that take a plugin itself and no object of it."""
_NAME = re.compile(r"(?:\w+/)*\w+(?:\.\w+)*")


@dataclass(frozen=True)
class GridAxis:
    """A parameter, as it is bound, and the texts of its values."""

    name: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}={','.join(self.values)}"

    def applied(self, cell: SuiteCell, value: str) -> SuiteCell:
        """The cell with this value; after its own bindings, which it therefore wins over."""
        if self.name == SETTING:
            return replace(cell, setting=value)
        if self.name == OVERLAY:
            return cell if value == NOTHING else replace(cell, files=(*cell.files, value))
        return replace(cell, bindings=(*cell.bindings, f"{self.name} = {_written(self.name, value)}"))


def _written(name: str, value: str) -> str:
    """The value as gin has it: a plugin's bare name is called where `run` takes one."""
    _, _, parameter = name.rpartition("/")[2].rpartition(f"{RUN}.")
    kind = RUN_KINDS.get(parameter) if f"{RUN}." in name else None
    if kind and value == NOTHING and parameter in (*SLOTS, "labels"):
        return "None"
    if kind and re.fullmatch(r"\w+", value) and value != "None":
        return f"@{kind}.{value}" + ("" if parameter in FACTORIES else "()")
    if value.startswith(("@", "%")):
        return value
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return repr(value)
    return value


def parse_axis(text: str) -> GridAxis:
    """An axis as it is typed: `run.view=none,RandAugment`, `LPA3.margin=0.01,0.02`, `setting=sym50,sym80`.

    Raises:
        UsageError: it is none.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    found = tuple(part.strip() for part in _split(values))
    if not (equals and _NAME.fullmatch(name) and all(found)):
        raise UsageError(f"--grid {text}: is written NAME=VALUE,VALUE, as in run.view=none,RandAugment")
    return GridAxis(name, found)


def _split(text: str) -> list[str]:
    """At the commas that stand in no bracket and no quote."""
    parts, depth, quote = [""], 0, ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append("")
            continue
        parts[-1] += sign
    return parts


def axes_of(value: Mapping[str, Any], origin: Origin) -> tuple[GridAxis, ...]:
    """The axes that `suite.grid` names: a dict from a parameter to the list of its values.

    Raises:
        ConfigError: it is no such dict.
    """
    axes = []
    for name, values in value.items():
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise origin.error(f"suite.grid: {name!r} is no parameter; one is written as in 'LPA3.margin'")
        if not isinstance(values, list | tuple) or not values:
            raise origin.error(f"suite.grid: {name} must be a list of values, not {values!r}")
        axes.append(GridAxis(name, tuple(_text_of(name, item) for item in values)))
    return tuple(axes)


def _text_of(name: str, value: Any) -> str:
    """A value as it would be typed; a string that looks like something else keeps its quotes."""
    if isinstance(value, GinReference):
        return str(value)
    if not isinstance(value, str):
        return NOTHING if value is None and name.startswith(f"{RUN}.") else repr(value)
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
    return repr(value)


def expand(cells: Sequence[SuiteCell], axes: Sequence[GridAxis]) -> Iterator[SuiteCell]:
    """Every cell with every combination of values, the last axis changing fastest.

    Raises:
        ConfigError: an axis has one value twice, or the cells are more than a suite can be meant to have.
    """
    count = len(cells)
    for axis in axes:
        if len({*axis.values}) < len(axis.values):
            raise ConfigError(f"{axis}: a value stands there twice")
        count *= len(axis.values)
        if count > MOST_CELLS:
            raise ConfigError(f"the grid has more than {MOST_CELLS:,} cells; {axis} is one axis too many")
    for cell in cells:
        for values in product(*(axis.values for axis in axes)):
            made = cell
            for axis, value in zip(axes, values, strict=True):
                made = axis.applied(made, value)
            yield made


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds as they are typed: `0-2`, `3`, `0,2,5-7`.

    Raises:
        UsageError: they are none, or one stands there twice.
    """
    found: list[int] = []
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d{1,18})(?:-(\d{1,18}))?\s*", part)
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if first > last or last - first >= MOST_CELLS:
            raise UsageError(f"--seeds {text}: are whole numbers and ranges, as in 0-2 or 0,3,5-7")
        found += range(first, last + 1)
    if len({*found}) < len(found):
        raise UsageError(f"--seeds {text}: a seed stands there twice")
    return tuple(found)
