"""A suite file and every cell of it, checked down to the ranges of values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lpa3bench.config import Config
from lpa3bench.config.bindings import Origin
from lpa3bench.config.gin_syntax import Reader
from lpa3bench.config.lint import name_errors, value_errors
from lpa3bench.config.loading import parse
from lpa3bench.config.names import Catalogue
from lpa3bench.errors import BenchError
from lpa3bench.plugin.registry import Registry
from lpa3bench.suites.cells import SuiteCell
from lpa3bench.suites.grid import GridAxis
from lpa3bench.suites.suite_file import Suite, read_suite_and_errors


@dataclass(frozen=True)
class LoadedCell:
    """A cell without mistakes."""

    cell: SuiteCell
    """As it was written."""
    whole: SuiteCell
    """As it is run: with the suite's bindings."""
    config: Config
    ranges: tuple[str, ...]
    """The parameters that are searched in it; none: it runs as it is."""

    def with_values(self, bindings: Sequence[str]) -> SuiteCell:
        """The cell with these texts of `-p` options after the suite's and before its own."""
        own = len(self.cell.bindings)
        before = self.whole.bindings[: len(self.whole.bindings) - own]
        return self.cell.preceded_by((*before, *bindings))


@dataclass(frozen=True)
class CheckedSuite:
    """A suite file with everything that is wrong in it."""

    suite: Suite
    errors: tuple[BenchError, ...]
    registry: Registry
    """With the plugins that the suite names."""
    cells: tuple[LoadedCell, ...] = ()
    """Those without mistakes."""


def check_suite(
    path: Path, registry: Registry, *, axes: Sequence[GridAxis] = (), seeds: Sequence[int] = ()
) -> CheckedSuite:
    """Check the file and every cell of it, down to the ranges of values, and collect all errors.

    Two cells are the same if their configs come to the same, however they are written.

    Args:
        axes, seeds: as of `read_suite`.

    Raises:
        PluginError: a plugin file of the suite claims a name that is taken.
    """
    suite, found = read_suite_and_errors(path, axes, seeds)
    errors: list[BenchError] = [*found]
    registry = registry.with_files(suite.plugins)
    wrong = _wrong_by_themselves(suite, registry)
    errors += wrong.values()
    right = _without(suite, {*wrong})
    cells: list[LoadedCell] = []
    first: dict[str, SuiteCell] = {}
    for cell in right.cells:
        try:
            loaded = _loaded(right, cell, registry)
        except BenchError as error:
            errors.append(type(error)(f"{cell.origin}: {cell}: {error}"))
            continue
        twin = first.setdefault(loaded.config.operative, cell)
        if twin is not cell:
            errors.append(
                cell.origin.error(f"{cell}: the same experiment as in line {twin.origin.line}: {twin}")
            )
        cells.append(loaded)
    if not errors:
        errors += _unused(suite, cells)
    return CheckedSuite(suite, tuple(errors), registry, tuple(cells))


def _loaded(suite: Suite, cell: SuiteCell, registry: Registry) -> LoadedCell:
    """The cell, loaded and built as `run` would; at both ends of what is searched in it too."""
    whole = suite.complete(cell, registry)
    config = whole.load(registry)
    config.try_out()
    loaded = LoadedCell(cell, whole, config, suite.ranges(cell, registry))
    if suite.search is not None and loaded.ranges:
        for place in (0, -1):
            loaded.with_values(suite.search.sample(loaded.ranges, place)).load(registry).try_out()
    return loaded


def _candidates(suite: Suite) -> list[tuple[str, str, Origin]]:
    """Bindings and ranges that a cell may use: name in the suite, text of `-p`, and place in the file."""
    found = [(text, text, place) for text, place in zip(suite.bindings, suite.origins, strict=True)]
    if suite.search is not None:
        names = [name for name, _ in suite.search.ranges]
        texts = suite.search.sample(names, 0)
        found += ((n, t, suite.search.origin) for n, t in zip(names, texts, strict=True))
    return found


def _wrong_by_themselves(suite: Suite, registry: Registry) -> dict[str, BenchError]:
    """What is wrong with bindings and ranges by themselves, so that it is not repeated for each cell."""
    wrong: dict[str, BenchError] = {}
    for name, text, place in _candidates(suite):
        reader = Reader(Catalogue(registry), parse)
        reader.param(text)
        errors = reader.errors or [*name_errors(reader.bindings, reader.catalogue)]
        errors = errors or [*value_errors(reader.bindings, reader.catalogue)]
        for error in errors[:1]:
            wrong[name] = type(error)(f"{place}: {error}")
    return wrong


def _without(suite: Suite, names: set[str]) -> Suite:
    """The suite without these bindings and ranges."""
    search = suite.search
    if search is not None:
        search = replace(search, ranges=tuple(item for item in search.ranges if item[0] not in names))
    bindings = tuple(text for text in suite.bindings if text not in names)
    return replace(suite, bindings=bindings, search=search)


def _unused(suite: Suite, cells: Sequence[LoadedCell]) -> Iterator[BenchError]:
    """An error for each binding and range that no cell uses."""
    used = {name for loaded in cells for name in (*loaded.whole.bindings, *loaded.ranges)}
    for name, _, place in _candidates(suite):
        if name not in used:
            yield place.error(f"{name}: no cell uses it")
