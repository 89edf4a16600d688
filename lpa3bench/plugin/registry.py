"""Finds plugins and knows them by name, without importing what no config asks for.

One pluggy manager holds the modules and calls their hooks. Its own entry-point loader stops at the first
broken plugin and drops a second one of the same name in silence, so the entry points are walked here, and
each module's hooks are called apart: a broken one is kept with its distribution and error for whoever needs
it, and a name claimed twice is an error that names both.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from lpa3bench._version import __version__
from lpa3bench.errors import BenchError, PluginError, UsageError
from lpa3bench.plugin import hookspecs
from lpa3bench.plugin.hookspecs import API_VERSION, GROUP, KINDS

OURS = "lpa3bench"
"""The distribution whose plugins come with the engine."""
HOOKS = ", ".join(f"register_{kind}" for kind in KINDS)


@dataclass(frozen=True)
class Entry:
    """One registered plugin."""

    kind: str
    name: str
    target: type | str
    distribution: str
    """"name version", or the file given with --plugin."""
    module: str = ""
    """That registered it."""
    file: Path | None = None
    """Of the module, where it was given with --plugin."""

    @property
    def is_ours(self) -> bool:
        """Whether it comes with lpa3bench."""
        return self.file is None and self.distribution.partition(" ")[0] == OURS

    def is_of(self, cls: type) -> bool:
        """Whether it is this very class; imports nothing."""
        if isinstance(self.target, type):
            return self.target is cls
        module, _, attribute = self.target.partition(":")
        return getattr(sys.modules.get(module), attribute, None) is cls

    def load(self) -> type:
        """The class itself.

        Raises:
            PluginError: its module cannot be imported or holds no such class.
        """
        found: Any = self.target
        if isinstance(self.target, str):
            module, _, attribute = self.target.partition(":")
            try:
                found = getattr(importlib.import_module(module), attribute)
            except (Exception, SystemExit) as error:  # anything can go wrong in somebody else's module
                raise PluginError(
                    f"{self.name} ({self.distribution}): {self.target} cannot be imported: {_reason(error)}"
                ) from error
        if not isinstance(found, type):
            raise PluginError(f"{self.name} ({self.distribution}): {self.target} is not a class")
        return found


@dataclass(frozen=True)
class Broken:
    """A plugin module that could not be used."""

    distribution: str
    error: str
    names: tuple[str, ...] = ()
    """What it would have registered, as far as that is known."""


@dataclass(frozen=True)
class Registry:
    """All plugins that were found."""

    entries: tuple[Entry, ...]
    broken: tuple[Broken, ...]

    def kind(self, kind: str) -> list[Entry]:
        """The entries of one kind, by name."""
        return sorted((e for e in self.entries if e.kind == kind), key=lambda e: e.name.lower())

    def get(self, name: str) -> Entry | None:
        """The plugin of that name, whatever its kind."""
        return next((e for e in self.entries if e.name == name), None)

    def of_class(self, cls: type) -> Entry | None:
        """The plugin that is this very class."""
        return next((entry for entry in self.entries if entry.is_of(cls)), None)

    def broken_with(self, name: str) -> Broken | None:
        """The broken module that the name would have come from, where that is known."""
        return next((b for b in self.broken if name in b.names), None)

    def with_files(self, files: Sequence[Path]) -> Registry:
        """This one with the plugins of these Python files too; those that it has are passed over.

        A file is run once in a process, and again where it has changed.

        Raises:
            FileNotFoundError: one of them is not there.
            PluginError: a name is claimed twice.
        """
        here = {entry.file for entry in self.entries} | {Path(b.distribution).resolve() for b in self.broken}
        found = self
        for place, path in {file.resolve(): file for file in files}.items():
            if place not in here:
                about = place.stat()
                new = _of_file(path, place, (about.st_mtime_ns, about.st_size))
                found = Registry((*found.entries, *new.entries), (*found.broken, *new.broken))
        _refuse_doubles(found.entries)
        return found

    def nearest(self, name: str, kind: str | None = None) -> list[str]:
        """Names that look like `name`, the likeliest first."""
        names = {e.name.lower(): e.name for e in self.entries if kind in (None, e.kind)}
        return [names[m] for m in get_close_matches(name.lower(), names, n=3, cutoff=0.5)]


def _reason(error: BaseException) -> str:
    """An exception as one line, with its type: pluggy says what is wrong in the third line of its message."""
    text = " ".join(str(error).split())
    if isinstance(error, BenchError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _wrong_version(module: ModuleType) -> str:
    """Why a module made for another plugin API is refused, and what to do about it; empty for ours."""
    version: object = getattr(module, "LPA3BENCH_API", API_VERSION)
    if version == API_VERSION:
        return ""
    what = (
        f"made for plugin API {version!r}, and this is lpa3bench {__version__} with plugin API {API_VERSION}"
    )
    if not isinstance(version, int):
        return f"{what}; LPA3BENCH_API is a whole number"
    newer = "upgrade lpa3bench, or install an older release of the plugin"
    older = "install a newer release of the plugin, or the lpa3bench that it was made for"
    return f"{what}; {newer if version > API_VERSION else older}"


def _names_of(module: ModuleType) -> tuple[str, ...]:
    """The names that a module of another version would register, as far as it tells them."""
    names: list[str] = []
    for kind in KINDS:
        with suppress(Exception, SystemExit):  # it was made for another door
            getattr(module, f"register_{kind}")(lambda name, *_, **__: names.append(str(name)))
    return tuple(names)


class _Collector:
    """Asks plugin modules for what they register, one by one."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.broken: list[Broken] = []
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)

    def add(self, module: ModuleType, name: str, distribution: str, file: Path | None = None) -> None:
        """Take all of a module's plugins, or none of them where one hook fails or its version is not ours.

        Args:
            name: of the entry point with its distribution, or of the file.
            file: of the module, where it was given with --plugin.

        Raises:
            PluginError: another entry point names the same module.
        """
        if wrong := _wrong_version(module):
            self.broken.append(Broken(distribution, wrong, _names_of(module)))
            return
        if self._manager.is_registered(module) or self._manager.has_plugin(name):
            other = self._manager.get_name(module) or name
            raise PluginError(
                f"{module.__name__} is named twice: by {other} and by {name}; remove one of them"
            )
        found: list[Entry] = []
        try:
            self._manager.register(module, name=name)
            self._call(module, found, distribution, file)
        except (Exception, SystemExit) as error:  # in any way, and not taking others down
            if self._manager.is_registered(module):
                self._manager.unregister(module)
            self.broken.append(Broken(distribution, _reason(error), tuple(entry.name for entry in found)))
            return
        if not found:
            self.broken.append(Broken(distribution, f"registers nothing; hooks are {HOOKS}"))
        self.entries += found

    def _call(self, module: ModuleType, found: list[Entry], distribution: str, file: Path | None) -> None:
        """Call the hooks of this module alone, and put what they register into `found`."""
        own = self._manager.get_hookcallers(module) or ()
        if unknown := [hook.name for hook in own if not hook.has_spec()]:
            raise PluginError(f"there is no hook {', '.join(unknown)}; hooks are {HOOKS}")
        others = self._manager.get_plugins() - {module}
        for kind in KINDS:

            def register(name: str, plugin: type | str, kind: str = kind) -> None:
                if not isinstance(name, str):
                    raise TypeError(f"a plugin's name is a string, not {name!r}")
                found.append(Entry(kind, name, plugin, distribution, module.__name__, file))

            self._manager.subset_hook_caller(f"register_{kind}", others)(register=register)

    def add_file(self, path: Path) -> None:
        """Take the plugins of a Python file, which is run for it."""
        try:
            module = _module_from(path.resolve())
        except (Exception, SystemExit) as error:  # in any way, and not taking others down
            self.broken.append(Broken(str(path), _reason(error)))
            return
        self.add(module, str(path), str(path), path.resolve())

    def registry(self) -> Registry:
        _refuse_doubles(self.entries)
        return Registry(tuple(self.entries), tuple(self.broken))


def _refuse_doubles(entries: Sequence[Entry]) -> None:
    """Raises PluginError where a name is claimed twice."""
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.name, entry)
        if other is not entry:
            raise PluginError(
                f"the name {entry.name} is claimed twice: by {other.distribution} ({other.kind}) and by "
                f"{entry.distribution} ({entry.kind}); rename or uninstall one of them"
            )


@cache
def _of_file(path: Path, place: Path, about: tuple[int, int]) -> Registry:
    """The plugins of a file alone: as it was given, where it lies, when it was changed, and its size."""
    collector = _Collector()
    collector.add_file(path)
    return collector.registry()


def _module_from(path: Path) -> ModuleType:
    """Import a plugin file under a name of its own, so that two files of one name are two modules."""
    name = f"lpa3bench_file_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--plugin {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@cache
def load_registry(files: Sequence[Path] = ()) -> Registry:
    """All plugins: those of installed distributions, and those in `files` (a tuple).

    Raises:
        PluginError: a name is claimed twice.
        UsageError: one of `files` is not there.
    """
    collector = _Collector()
    points = importlib.metadata.entry_points(group=GROUP)
    for point in sorted(points, key=lambda p: (p.dist.name if p.dist else "", p.name)):
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else point.name
        try:
            module = importlib.import_module(point.value)
        except (Exception, SystemExit) as error:  # as above
            collector.broken.append(Broken(distribution, f"{point.value}: {_reason(error)}"))
            continue
        collector.add(module, f"{distribution} ({point.name})", distribution)
    for path in files:
        if not path.is_file():
            raise UsageError(f"--plugin {path}: no such file")
        collector.add_file(path)
    return collector.registry()
