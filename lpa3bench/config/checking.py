"""Is a gin file right? One file by itself, all that is wrong with it, in every setting it offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lpa3bench.config.bindings import RUN, Scopes
from lpa3bench.config.gin_syntax import Reader
from lpa3bench.config.lint import macro_errors, name_errors, scope_errors, value_errors
from lpa3bench.config.loading import load_config, parse
from lpa3bench.config.names import Catalogue
from lpa3bench.config.operative import offered_settings
from lpa3bench.errors import BenchError, ConfigError
from lpa3bench.plugin.registry import Registry


@dataclass(frozen=True)
class Checked:
    """What `check_files` found out about a file."""

    file: Path
    settings: tuple[str, ...]
    overlay: bool
    """It binds no task, or lies in `base/` for others to include: only names and types were checked."""
    errors: tuple[BenchError, ...]


def check_files(files: Sequence[Path], registry: Registry) -> list[Checked]:
    """Check each file by itself, a whole config in each of its settings, and collect all errors.

    Plugins are imported only where a first pass over all names of the file finds nothing.
    """
    return [_check_file(path, registry) for path in files]


def _check_file(path: Path, registry: Registry) -> Checked:
    reader = Reader(Catalogue(registry), parse)
    reader.file(path, published=True)
    errors, catalogue, bindings = reader.errors, reader.catalogue, reader.bindings
    whole = any(b.target == RUN and b.parameter == "task" for b in bindings)
    overlay = not whole or path.absolute().parent.name == "base"
    settings: tuple[str, ...] = ()
    try:
        settings = offered_settings(reader.layers, catalogue.augmenters)
        scopes = Scopes(frozenset(settings), catalogue.augmenters)
        errors += scope_errors(bindings, scopes, overlay=overlay)
        errors += () if overlay else macro_errors(bindings, scopes)
    except ConfigError as error:
        errors.append(error)
    errors += name_errors(bindings, catalogue)
    errors = errors or [*value_errors(bindings, catalogue)]
    for setting in () if errors or overlay else settings or (None,):
        try:
            load_config([path], setting=setting, registry=registry).try_out()
        except BenchError as error:
            errors.append(error)
    once = {str(error): error for error in errors}
    return Checked(path, settings, overlay, tuple(once.values()))
