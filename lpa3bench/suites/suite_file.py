"""From the text of a suite file to its cells, seeds and what else it binds."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lpa3bench.config import used
from lpa3bench.config.bindings import PLUGINS, SUITE, Binding, Origin, repeated_bindings
from lpa3bench.config.gin_syntax import Import, Include, Statement, plugin_files, text_of
from lpa3bench.config.loading import parse
from lpa3bench.config.operative import plain_value
from lpa3bench.config.typecheck import advice
from lpa3bench.errors import ConfigError
from lpa3bench.plugin.registry import Registry
from lpa3bench.runtime.paths import called, resolve_config, typed_name
from lpa3bench.suites.cells import SuiteCell, bound_name, parse_cell
from lpa3bench.suites.grid import GridAxis, axes_of, expand
from lpa3bench.suites.search import Search, parse_search

SUITE_PARAMETERS: dict[str, Any] = {
    "cells": tuple[str, ...],
    "base": tuple[str, ...],
    "grid": dict[str, Any],
    PLUGINS: tuple[str, ...],
    "seeds": tuple[int, ...],
    "bindings": tuple[str, ...],
    "threads": int,
    "search": dict[str, Any],
}
"""What a suite file binds, and the type of each value."""
NEEDED_PARAMETERS = ("cells", "seeds")
"""Of which `base` may stand for `cells`."""


@dataclass(frozen=True)
class Suite:
    """The runs of a suite file: every cell with every seed."""

    cells: tuple[SuiteCell, ...] = ()
    seeds: tuple[int, ...] = ()
    bindings: tuple[str, ...] = ()
    """Texts of `-p` options for every cell that uses them, as `complete` finds out."""
    threads: int = 1
    """Of PyTorch in each run on a CPU, where another number gives other bits."""
    search: Search | None = None
    """How cells are tuned before they run; None: they are not."""
    plugins: tuple[Path, ...] = ()
    """Files with plugins, for every cell."""
    origins: tuple[Origin, ...] = field(default=(), compare=False, repr=False)
    """Of the bindings, one each."""

    @property
    def size(self) -> str:
        """In words: "24 cells × 3 seeds"."""
        return " × ".join(
            f"{len(items)} {what}{'' if len(items) == 1 else 's'}"
            for items, what in ((self.cells, "cell"), (self.seeds, "seed"))
        )

    def complete(self, cell: SuiteCell, registry: Registry) -> SuiteCell:
        """The cell as it is run: with those of the suite's bindings that something in it uses.

        They go before the cell's own, which therefore win.

        Raises:
            ConfigError, PluginError: as `SuiteCell.load`.
        """
        if not self.bindings:
            return cell
        return cell.preceded_by(_used(self.bindings, cell, registry))

    def ranges(self, cell: SuiteCell, registry: Registry) -> tuple[str, ...]:
        """The parameters that are searched in the cell: those that something in it uses.

        One that the cell binds itself keeps that value.

        Raises:
            ConfigError, PluginError: as `SuiteCell.load`.
        """
        if self.search is None:
            return ()
        own = {bound_name(text) for text in cell.bindings}
        names = [name for name, _ in self.search.ranges if name not in own]
        texts = self.search.sample(names, 0)
        taken = _used((*self.bindings, *texts), cell, registry)
        return tuple(name for name, text in zip(names, texts, strict=True) if text in taken)


def _used(texts: Sequence[str], cell: SuiteCell, registry: Registry) -> tuple[str, ...]:
    """Those of the bindings that something in the cell uses."""
    files = [resolve_config(name) for name in cell.files]
    return used(texts, files, setting=cell.setting, bindings=cell.bindings, registry=registry)


def is_suite(path: Path) -> bool:
    """Whether the file has a line of a suite, right or wrong."""
    try:
        statements = parse(text_of(path), partial(Origin, called(path)))
        return any(isinstance(s, Binding) and s.target == SUITE for s in statements)
    except ConfigError:
        return False


def read_suite(path: Path, axes: Sequence[GridAxis] = (), seeds: Sequence[int] = ()) -> Suite:
    """The suite of that file. Its cells are parsed and not loaded; `check_suite` does that.

    Args:
        path: a suite; with `seeds` any config, of which a suite of one cell is made.
        axes: a grid that every cell is multiplied by.
        seeds: in place of the file's own; none: the file's own.

    Raises:
        ConfigError: a line is wrong; the message opens with `file:line: `.
    """
    suite, errors = read_suite_and_errors(path, axes, seeds)
    for error in errors:
        raise error
    return suite


def read_suite_and_errors(
    path: Path, axes: Sequence[GridAxis] = (), seeds: Sequence[int] = ()
) -> tuple[Suite, list[ConfigError]]:
    """The suite with what is right in the file, and all that is wrong; arguments as of `read_suite`."""
    cell = None
    if seeds and not is_suite(path):
        cell = SuiteCell((typed_name(path),), origin=Origin(called(path), 1))
    suite, errors = _read(path) if cell is None else (Suite((cell,)), [])
    try:
        cells = tuple(expand(suite.cells, axes))
    except ConfigError as error:
        return suite, [*errors, error]
    suite = replace(suite, cells=cells, seeds=tuple(seeds) or suite.seeds)
    return suite, [*errors, *_shared_seeds(suite)]


def _read(path: Path) -> tuple[Suite, list[ConfigError]]:
    """The file by itself."""
    errors: list[ConfigError] = []
    values: dict[str, Any] = {}
    bindings: dict[str, Binding] = {}
    try:
        text = text_of(path)
        statements = [*parse(text, partial(Origin, called(path)))]
    except ConfigError as error:
        return Suite(), [error]
    errors += repeated_bindings([s for s in statements if isinstance(s, Binding) and s.target == SUITE])
    if not any(isinstance(s, Binding) and s.target == SUITE for s in statements):
        name = called(path)
        message = (
            f"no suite, for suite.cells is missing; `lpa3bench run {name}` is for one run, and --seeds makes "
            "a suite of it"
        )
        return Suite(), [Origin(name, 1).error(message)]
    for statement in statements:
        try:
            binding = _of_a_suite(statement)
            values[binding.parameter] = _value(binding, path.parent)
            bindings[binding.parameter] = binding
        except ConfigError as error:
            errors.append(error)
    named = {s.parameter for s in statements if isinstance(s, Binding)}
    errors += (
        Origin(called(path), 1).error(f"suite.{name} is missing")
        for name in NEEDED_PARAMETERS
        if name not in named and not (name == "cells" and "base" in named)
    )
    places = _places(text, bindings)
    cells = [
        *_cells(values.pop("cells", ()), places.get("cells", []), errors),
        *_grid_cells(values, bindings, places.get("base", []), errors),
    ]
    errors += _repeated_cells(cells)
    return Suite(tuple(cells), **values, origins=tuple(places.get("bindings", ()))), errors


def _grid_cells(
    values: dict[str, Any], bindings: dict[str, Binding], places: Sequence[Origin], errors: list[ConfigError]
) -> list[SuiteCell]:
    """`suite.base` times `suite.grid`, which are taken out of the values."""
    base = [*_cells(values.pop("base", ()), places, errors)]
    axes = values.pop("grid", ())
    if axes and not base and "base" not in bindings:
        errors.append(bindings["grid"].origin.error("suite.grid needs suite.base, the cell that it varies"))
    try:
        return [*expand(base, axes)]
    except ConfigError as error:
        errors.append(bindings["grid"].origin.error(f"suite.grid: {error}"))
        return []


def _shared_seeds(suite: Suite) -> Iterator[ConfigError]:
    """A choice that is scored on the very runs that it was made by looks better than it is."""
    search = suite.search
    if search is not None and (shared := sorted({*search.seeds} & {*suite.seeds})):
        yield search.origin.error(
            f"suite.search: seed {shared[0]} is one of suite.seeds; what was chosen runs on fresh seeds"
        )


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
    if statement.parameter not in SUITE_PARAMETERS:
        hint = advice(statement.parameter, SUITE_PARAMETERS, "its parameters")
        raise statement.origin.error(f"suite has no parameter {statement.parameter}; {hint}")
    return statement


def _value(binding: Binding, folder: Path) -> Any:
    """The value of a line; paths start from the folder."""
    if binding.parameter == PLUGINS:
        return tuple(plugin_files(binding, folder))
    if binding.parameter == "base" and isinstance(binding.value, str):
        return (binding.value,)
    if binding.parameter == "grid" and isinstance(binding.value, dict):
        return axes_of(binding.value, binding.origin)
    value = plain_value(binding, SUITE_PARAMETERS[binding.parameter])
    if binding.parameter in NEEDED_PARAMETERS and not value:
        raise binding.origin.error(f"{binding} must not be empty")
    if binding.parameter == "search":
        return parse_search(binding)
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
    """The line of each item of each list; from gin only the line is known where the list begins.

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
            case _, str():
                places[name] = [binding.origin]
            case _, list() | tuple() as values:
                places[name] = [binding.origin] * len(values)
    return places


def _cells(texts: Sequence[str], places: Sequence[Origin], errors: list[ConfigError]) -> Iterator[SuiteCell]:
    """The cells that can be read."""
    for text, place in zip(texts, places, strict=True):
        try:
            yield parse_cell(text, place)
        except ConfigError as error:
            errors.append(error)


def _repeated_cells(cells: list[SuiteCell]) -> list[ConfigError]:
    """Errors for the cells that stand there twice, which are taken out."""
    found: dict[SuiteCell, Origin] = {}
    errors = []
    for cell in [*cells]:
        first = found.setdefault(cell, cell.origin)
        if first is not cell.origin:
            errors.append(cell.origin.error(f"{cell}: the same cell is in line {first.line}"))
    cells[:] = [replace(cell, origin=origin) for cell, origin in found.items()]
    return errors
