"""Plugin files that are edited while a process goes on: a notebook must not run old code under a new name."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from lpa3bench.errors import PluginError
from lpa3bench.plugin.code import code_of
from lpa3bench.plugin.registry import Entry, Registry, load_registry
from lpa3bench.runtime.files import digest

_READ: dict[Path, tuple[Any, str]] = {}
"""How each file was when its code was first asked for, by the import that it belongs to."""


def fresh_registry(files: tuple[Path, ...]) -> Registry:
    """As `load_registry`, but a file that was edited since, or a module beside it, is imported anew, and so
    is one that could not be used.

    Raises:
        PluginError: a name is claimed twice.
        UsageError: one of `files` is not there.
    """
    registry = load_registry(files)
    entries = [entry for entry in registry.entries if entry.file is not None]
    edited = [entry for entry in entries if _edited(entry)]
    unused = {broken.distribution for broken in registry.broken} & {*map(str, files)}
    if not edited and not unused:
        return registry
    old = {file for entry in edited for file in code_of(entry).files.values()}
    for name, _, _ in _modules_of(old):
        del sys.modules[name]
    load_registry.cache_clear()
    registry = load_registry(files)
    for entry in registry.entries:
        if entry.file is not None:
            _edited(entry)
    return registry


def refuse_edited(entries: Iterable[Entry]) -> None:
    """Raises PluginError where a module was edited since it was imported: its file is not what runs."""
    for entry in entries:
        if not entry.is_ours and (edited := _edited(entry)):
            raise PluginError(
                f"{edited[0]}: was edited since it was imported, and {entry.name} still runs what it said "
                "before; importlib.reload its module and take the class from it again, or start Python anew"
            )


def _edited(entry: Entry) -> list[Path]:
    """Files of a plugin that say something else than when the modules that they made were first seen."""
    files = code_of(entry).files.values()
    modules = {file: module for _, file, module in _modules_of(files)}
    changed = []
    for file in files:
        module = modules.get(file)
        if module is None:
            continue
        now = (getattr(module, "__spec__", None), digest(file.read_bytes()))
        before = _READ.setdefault(file, now)
        if before[0] is not now[0]:  # imported again
            _READ[file] = now
        elif before != now:
            changed.append(file)
    return changed


def _modules_of(files: Collection[Path]) -> list[tuple[str, Path, Any]]:
    """The modules that were imported from these files: name, file, module."""
    names = {file.name for file in files}
    found = []
    for name, module in [*sys.modules.items()]:
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and Path(path).name in names and (file := Path(path).resolve()) in files:
            found.append((name, file, module))
    return found
