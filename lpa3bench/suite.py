"""Suites: the cells and seeds of many runs, listed in one gin file. Imports no torch.

A suite file says which runs there are and nothing of what is in them: a cell is a line as it is typed after
`lpa3bench run`. docs/suites.md has the grammar.
"""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from getopt import GetoptError, gnu_getopt
from pathlib import Path
from typing import Any

from lpa3bench.config import Config, load, used
from lpa3bench.config.bindings import SUITE, Binding, Origin, repeated
from lpa3bench.config.catalogue import Catalogue
from lpa3bench.config.lint import name_errors, value_errors
from lpa3bench.config.loading import parse
from lpa3bench.config.operative import plain
from lpa3bench.config.reading import Import, Include, Reader, Statement, text_of
from lpa3bench.config.typecheck import advice
from lpa3bench.errors import BenchError, ConfigError
from lpa3bench.paths import called, resolve_config
from lpa3bench.registry import Registry

PARAMETERS: dict[str, Any] = {
    "cells": tuple[str, ...],
    "seeds": tuple[int, ...],
    "bindings": tuple[str, ...],
    "threads": int,
}
"""What a suite file binds, and the type of each value."""
NEEDED = ("cells", "seeds")


@dataclass(frozen=True)
class Cell:
    """What one run of each seed is made of, as `lpa3bench run` takes it."""

    files: tuple[str, ...]
    """As they were written: paths, or names of shipped files."""
    setting: str | None = None
    bindings: tuple[str, ...] = ()
    """The texts of `-p` options."""
    origin: Origin = field(default=Origin("a cell"), compare=False)

    @property
    def words(self) -> tuple[str, ...]:
        """What stands after `lpa3bench run`."""
        setting = () if self.setting is None else ("--setting", self.setting)
        return (*self.files, *setting, *(word for text in self.bindings for word in ("-p", text)))

    def __str__(self) -> str:
        return shlex.join(self.words)

    def load(self, registry: Registry) -> Config:
        """The config of its runs.

        Raises:
            ConfigError, PluginError: as `config.load`; or there is no such file.
        """
        files = [resolve_config(name) for name in self.files]
        return load(files, setting=self.setting, bindings=self.bindings, registry=registry)


@dataclass(frozen=True)
class Suite:
    """Every cell with every seed."""

    cells: tuple[Cell, ...] = ()
    seeds: tuple[int, ...] = ()
    bindings: tuple[str, ...] = ()
    """Texts of `-p` options for every cell that uses them; `complete` tells which."""
    threads: int = 1
    """Of PyTorch in each run on a CPU, where another number gives other bits."""
    origins: tuple[Origin, ...] = field(default=(), compare=False, repr=False)
    """Of the bindings, one each."""

    @property
    def size(self) -> str:
        """In words: "24 cells × 3 seeds"."""
        return " × ".join(
            f"{len(items)} {what}{'' if len(items) == 1 else 's'}"
            for items, what in ((self.cells, "cell"), (self.seeds, "seed"))
        )

    def complete(self, cell: Cell, registry: Registry) -> Cell:
        """The cell as it is run: with those of the suite's bindings that something in it uses.

        They go before the cell's own, which therefore win.

        Raises:
            ConfigError, PluginError: as `Cell.load`.
        """
        if not self.bindings:
            return cell
        files = [resolve_config(name) for name in cell.files]
        taken = used(self.bindings, files, setting=cell.setting, bindings=cell.bindings, registry=registry)
        return replace(cell, bindings=(*taken, *cell.bindings))


# -------------------------------------------------------------------------------------------------- reading
def is_suite(path: Path) -> bool:
    """Whether the file has a line of a suite, right or wrong."""
    try:
        statements = parse(text_of(path), partial(Origin, called(path)))
        return any(isinstance(s, Binding) and s.target == SUITE for s in statements)
    except ConfigError:
        return False


def read(path: Path) -> Suite:
    """The suite of that file. Its cells are read, and not loaded: `check` does.

    Raises:
        ConfigError: a line is wrong; the message opens with `file:line: `.
    """
    suite, errors = _read(path)
    for error in errors:
        raise error
    return suite


def _read(path: Path) -> tuple[Suite, list[ConfigError]]:
    """What of the file is right, and everything that is wrong."""
    errors: list[ConfigError] = []
    values: dict[str, Any] = {}
    bindings: dict[str, Binding] = {}
    try:
        text = text_of(path)
        statements = [*parse(text, partial(Origin, called(path)))]
    except ConfigError as error:
        return Suite(), [error]
    errors += repeated([s for s in statements if isinstance(s, Binding) and s.target == SUITE])
    for statement in statements:
        try:
            binding = _of_a_suite(statement)
            values[binding.parameter] = _value(binding)
            bindings[binding.parameter] = binding
        except ConfigError as error:
            errors.append(error)
    named = {s.parameter for s in statements if isinstance(s, Binding)}
    errors += (
        Origin(called(path), 1).error(f"suite.{name} is missing") for name in NEEDED if name not in named
    )
    places = _places(text, bindings)
    cells = [*_cells(values.pop("cells", ()), places.get("cells", []), errors)]
    return Suite(tuple(cells), **values, origins=tuple(places.get("bindings", ()))), errors


def _of_a_suite(statement: Statement) -> Binding:
    """Raises ConfigError for what must not stand in a suite file."""
    match statement:
        case Include(_, origin):
            raise origin.error("include is refused: a suite file shows all of its runs by itself")
        case Import(origin):
            raise origin.error("import is refused; plugins are known by name")
    if statement.target != SUITE:
        raise statement.origin.error(
            f"{statement} is not of a suite, which lists runs; what they bind stands in suite.bindings or in "
            "a cell, as -p"
        )
    if statement.scopes:
        raise statement.origin.error(f"{statement}: a suite has no settings and no slots to scope by")
    if statement.parameter not in PARAMETERS:
        hint = advice(statement.parameter, PARAMETERS, "its parameters")
        raise statement.origin.error(f"suite has no parameter {statement.parameter}; {hint}")
    return statement


def _value(binding: Binding) -> Any:
    """The value, checked."""
    value = plain(binding, PARAMETERS[binding.parameter])
    if binding.parameter in NEEDED and not value:
        raise binding.origin.error(f"{binding} must not be empty")
    if binding.parameter == "seeds" and min(value) < 0:
        raise binding.origin.error(f"{binding} must be >= 0, not {min(value)}")
    if binding.parameter == "threads" and value < 1:
        raise binding.origin.error(f"{binding} must be >= 1, not {value}")
    if binding.parameter in ("seeds", "bindings"):
        for place, item in enumerate(value):
            if item in value[:place]:
                raise binding.origin.error(f"{binding}: {item} stands there twice")
    return value


def _places(text: str, bindings: dict[str, Binding]) -> dict[str, list[Origin]]:
    """The line of each item of each list; gin tells only where the list begins.

    Without includes, scopes, macros and references, lines of gin are lines of Python.
    """
    try:
        lines = {line.lineno: line for line in ast.parse(text).body}
    except SyntaxError:  # one is wrong anyway
        lines = {}
    places = {}
    for name, binding in bindings.items():
        match lines.get(binding.origin.line or 0), binding.value:
            case ast.Assign(value=ast.List(elts=items) | ast.Tuple(elts=items)), _:
                places[name] = [replace(binding.origin, line=item.lineno) for item in items]
            case _, list() | tuple() as values:
                places[name] = [binding.origin] * len(values)
    return places


def _cells(texts: Sequence[str], places: Sequence[Origin], errors: list[ConfigError]) -> Iterator[Cell]:
    """The cells that can be read, each once."""
    found: dict[Cell, Origin] = {}
    for text, place in zip(texts, places, strict=True):
        try:
            cell = parse_cell(text, place)
        except ConfigError as error:
            errors.append(error)
            continue
        if cell in found:
            errors.append(place.error(f"{cell}: the same cell is in line {found[cell].line}"))
            continue
        found[cell] = place
        yield cell


def parse_cell(text: str, origin: Origin) -> Cell:
    """A cell from its line: `FILE... [--setting NAME] [-p BINDING]...`, with a shell's quotes.

    Raises:
        ConfigError: it is no such line.
    """
    try:
        options, files = gnu_getopt(shlex.split(text), "p:", ["setting=", "param="])
    except ValueError:
        raise origin.error(f"{text}: a quote is not closed") from None
    except GetoptError as error:
        raise origin.error(f"{text}: {error.msg}; a cell takes FILE..., --setting and -p") from None
    # getopt takes the beginning of a long option for the whole of it, and `run` does not.
    typed = {word.partition("=")[0] for word in shlex.split(text) if word.startswith("--")}
    if strange := sorted(typed - {"--setting", "--param", "--"}):
        raise origin.error(f"{text}: there is no option {strange[0]}; a cell takes FILE..., --setting and -p")
    settings = [value for option, value in options if option == "--setting"]
    if not files:
        raise origin.error(f"{text!r} names no file")
    if len(settings) > 1:
        raise origin.error(f"{text}: a cell has one setting; write a cell for each")
    bindings = tuple(value for option, value in options if option != "--setting")
    return Cell(tuple(files), settings[0] if settings else None, bindings, origin)


# ------------------------------------------------------------------------------------------------- checking
@dataclass(frozen=True)
class Checked:
    """What `check` found out about a suite file."""

    suite: Suite
    errors: tuple[BenchError, ...]


def check(path: Path, registry: Registry) -> Checked:
    """Check the file and every cell of it, down to the ranges of values, and collect all errors.

    Two cells are the same if their configs come to the same, however they are written.
    """
    suite, found = _read(path)
    errors: list[BenchError] = [*found]
    wrong = dict(_binding_errors(suite, registry))
    errors += wrong.values()
    right = replace(suite, bindings=tuple(text for text in suite.bindings if text not in wrong))
    unused = set(right.bindings)
    first: dict[str, Cell] = {}
    for cell in suite.cells:
        try:
            whole = right.complete(cell, registry)
            unused -= {*whole.bindings}
            config = whole.load(registry)
            config.try_out()
        except BenchError as error:
            errors.append(type(error)(f"{cell.origin}: {cell}: {error}"))
            continue
        twin = first.setdefault(config.operative, cell)
        if twin is not cell:
            errors.append(
                cell.origin.error(f"{cell}: the same experiment as in line {twin.origin.line}: {twin}")
            )
    if not errors:
        places = zip(suite.bindings, suite.origins, strict=True)
        errors += (place.error(f"{text}: no cell uses it") for text, place in places if text in unused)
    return Checked(suite, tuple(errors))


def _binding_errors(suite: Suite, registry: Registry) -> Iterator[tuple[str, BenchError]]:
    """What is wrong with the suite's bindings by themselves, told once and not for each cell."""
    for text, place in zip(suite.bindings, suite.origins, strict=True):
        reader = Reader(Catalogue(registry), parse)
        reader.param(text)
        errors = reader.errors or [*name_errors(reader.bindings, reader.catalogue)]
        errors = errors or [*value_errors(reader.bindings, reader.catalogue)]
        for error in errors[:1]:
            yield text, type(error)(f"{place}: {error}")
