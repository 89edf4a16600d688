"""The code that a plugin runs: which modules, found by reading them, and a digest of what they say.

A module counts unless it is the standard library's, the engine's, or part of another distribution that is
installed: what is installed has a version, what lies in a working folder can be edited at any time. Comments,
docstrings and the place of the files do not count.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lpa3bench.errors import PluginError
from lpa3bench.plugin.reading import ModuleSource, SourceImport, absolute, read_source
from lpa3bench.plugin.registry import Entry
from lpa3bench.plugin.written_classes import MAIN, written_file
from lpa3bench.runtime.files import digest

ENGINE, OUR_PLUGINS = "lpa3bench", "lpa3bench_plugins"
"""Top-level packages that have versions of their own: of the numerics, and of each plugin."""
PYTHON_FILES = (".py", ".so", ".pyd")


@dataclass(frozen=True)
class Module:
    """A module, imported or not."""

    name: str
    file: Path | None
    """None: a namespace package, or a module that is built in."""
    folders: tuple[str, ...] = ()
    """Where the modules of a package lie."""

    @property
    def top(self) -> str:
        """The name of its top-level package."""
        return self.name.partition(".")[0]

    @property
    def package(self) -> str:
        """What its relative imports start from; empty for a module in no package."""
        return self.name if self.folders else self.name.rpartition(".")[0]

    @property
    def key(self) -> str:
        """Its path below the folder that it is imported from: the same wherever that folder lies."""
        path = f"{self.name}.__init__" if self.folders else self.name
        return path.replace(".", "/") + (self.file.suffix if self.file else "")


@dataclass(frozen=True)
class Code:
    """What a plugin runs."""

    files: dict[str, Path]
    """By path below the folder that each is imported from; a plugin file itself, whatever its name, by ""."""
    libraries: frozenset[str]
    """Top-level names of what it imports from other distributions."""
    digest: str


def code_of(entry: Entry) -> Code:
    """The code of a plugin, which is imported for it.

    Raises:
        PluginError: it cannot be imported, or its source is nowhere to be found.
    """
    cls = entry.load()
    reader = _Reader(entry, cls)
    for module in _roots(entry, cls):
        reader.take(module)
    if (text := written_source(entry)) is not None:
        reader.take_text(text)
    version = getattr(cls, "version", 1)  # of a subclass of one of ours, say
    parts = [cls.__qualname__] if version == 1 else [cls.__qualname__, f"version {version}"]
    parts += [part for key in sorted(reader.sources) for part in (key, reader.sources[key])]
    return Code(reader.files, frozenset(reader.libraries), digest(*(part.encode() for part in parts)))


def find_module(name: str) -> Module | None:
    """A module by its full name, without importing anything; None: there is none."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return Module(name, _file(getattr(loaded, "__file__", None)), _folders(loaded, "__path__"))
    parent = name.rpartition(".")[0]
    package = find_module(parent) if parent else None
    if parent and (package is None or not package.folders):
        return None
    for finder in sys.meta_path:
        with suppress(Exception):  # somebody's finder may fail in any way, and so may reading a folder
            spec = finder.find_spec(name, None if package is None else list(package.folders))
            if spec is not None:
                origin = spec.origin if spec.has_location else None
                return Module(name, _file(origin), _folders(spec, "submodule_search_locations"))
    return None


def _file(path: object) -> Path | None:
    """Where a module's text lies; None where it is no file, as in an archive."""
    return _resolved(path) if isinstance(path, str) and os.path.isfile(path) else None  # noqa: PTH113 (quicker)


@cache
def _resolved(path: str) -> Path:
    return Path(path).resolve()


def _folders(found: object, attribute: str) -> tuple[str, ...]:
    return tuple(map(str, getattr(found, attribute, None) or ()))


def _roots(entry: Entry, cls: type) -> Iterator[Module]:
    """The modules from which all others that the plugin runs are imported."""
    if entry.file is not None:
        yield Module(entry.module, entry.file.resolve())
    names = [base.__module__ for base in cls.__mro__]
    if isinstance(entry.target, str):
        names.append(entry.target.partition(":")[0])
    if getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is not cls:
        names.append(entry.module)  # a function made the class, and was told how where it is registered
    for name in dict.fromkeys(names):
        if name not in ("", MAIN) and (entry.file is None or name != entry.module):
            yield from filter(None, map(find_module, _with_packages(name)))


def _with_packages(name: str) -> Iterator[str]:
    """A module's name after those of the packages around it, which are imported before it."""
    parts = name.split(".")
    return (".".join(parts[: count + 1]) for count in range(len(parts)))


def written_source(entry: Entry) -> str | None:
    """The plugin file that a class of a notebook, or of the script that runs, is written down in; None: it
    has a file of its own.

    Raises:
        PluginError: its source is nowhere to be found.
    """
    cls = entry.load()
    home = None if cls.__module__ == MAIN else find_module(cls.__module__)
    if entry.file is not None or (home is not None and home.file is not None):
        return None
    try:
        return written_file(cls, entry.kind, entry.name)
    except (OSError, TypeError):
        raise PluginError(
            f"{entry.name} ({entry.distribution}): its source cannot be found, so its runs could not be told "
            "from those of another version of it; define it in a file"
        ) from None


class _Reader:
    """Follows imports from module to module."""

    def __init__(self, entry: Entry, cls: type) -> None:
        self.sources: dict[str, str] = {}
        """What each module says, by its key."""
        self.files: dict[str, Path] = {}
        self.libraries: set[str] = set()
        self._entry = entry
        self._tops = {cls.__module__.partition(".")[0]}
        self._own = frozenset() if entry.file else _files_of(entry.distribution.partition(" ")[0])
        self._seen: set[Path] = set()

    def take(self, module: Module) -> None:
        """Add a module and all that it imports, as far as they count."""
        waiting = [module]
        while waiting:
            module = waiting.pop()
            if module.file is None or module.file in self._seen or not self._counts(module, module.file):
                continue
            self._seen.add(module.file)
            source = read_source(module.file.read_bytes())
            waiting += self._imported(module, source)
            if module.top == OUR_PLUGINS and not self._entry.is_ours:
                if source.versions:
                    self.sources[module.key] = source.versions
                continue
            key = "" if module.file == self._entry.file else module.key
            self.sources[key], self.files[key] = source.meaning, module.file

    def take_text(self, text: str) -> None:
        """Add a plugin file that lies nowhere, and all that it imports."""
        source = read_source(text.encode())
        self.sources[""] = source.meaning
        for module in self._imported(Module("", None), source):
            self.take(module)

    def _counts(self, module: Module, file: Path) -> bool:
        if module.top == ENGINE or (_is_standard(file) and not _is_installed(module, file)):
            return False
        if file == self._entry.file or module.top == OUR_PLUGINS or not _is_installed(module, file):
            return True
        own = file in self._own if self._own else module.top in self._tops
        if not own:
            self.libraries.add(module.top)
        return own

    def _imported(self, module: Module, source: ModuleSource) -> Iterator[Module]:
        for item in source.imports:
            for name in _names(item, module.package):
                if (found := find_module(name)) is not None:
                    yield found
        if source.opaque:
            yield from _beside(module)


def _names(item: SourceImport, package: str) -> Iterator[str]:
    """Full names of the modules that an import runs, those of the packages around them included."""
    base = absolute(item, package)
    if not base:
        return
    names = [base, *(f"{base}.{name}" for name in item.names if name != "*")]
    if "*" in item.names:  # what a package's `__all__` names is imported by it
        names += [m.name for m in _modules_in(find_module(base))]
    for name in names:
        yield from _with_packages(name)


def _modules_in(package: Module | None) -> Iterator[Module]:
    for folder in package.folders if package else ():
        for file in sorted(Path(folder).glob("*.py")):
            if file.stem != "__init__" and package is not None:
                yield Module(f"{package.name}.{file.stem}", file.resolve())


def _beside(module: Module) -> Iterator[Module]:
    """All that a module may import by a name that only running it would tell: its own package, or folder."""
    package = find_module(module.package) if module.package else None
    while package is not None and "." in package.name:
        around = find_module(package.name.rpartition(".")[0])
        if around is None or around.file is None:  # a namespace, which is shared with others
            break
        package = around
    if package is not None:
        for folder in package.folders:
            yield from _below(Path(folder), package.name)
    elif module.file is not None and not _is_installed(module, module.file):
        home = module.file.parent
        yield from (Module(file.stem, file.resolve()) for file in sorted(home.glob("*.py")))
        for init in sorted(home.glob("*/__init__.py")):
            yield from _below(init.parent, init.parent.name)


def _below(folder: Path, name: str) -> Iterator[Module]:
    for file in sorted(folder.rglob("*.py")):
        parts = (name, *file.relative_to(folder).with_suffix("").parts)
        if parts[-1] == "__init__":
            yield Module(".".join(parts[:-1]), file.resolve(), (str(file.parent),))
        else:
            yield Module(".".join(parts), file.resolve())


@cache
def _standard_folders() -> tuple[Path, ...]:
    named = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), str(Path(os.__file__).parent)]
    return tuple(Path(path).resolve() for path in named)


def _is_standard(file: Path) -> bool:
    return any(file.is_relative_to(folder) for folder in _standard_folders())


def _is_installed(module: Module, file: Path) -> bool:
    """Whether an installer has put it where it lies."""
    depth = len(module.name.split(".")) - (not module.folders)
    folder = file.parents[min(depth, len(file.parents) - 1)]
    return bool({"site-packages", "dist-packages"} & {*file.parts}) or _holds_distributions(folder)


@cache
def _holds_distributions(folder: Path) -> bool:
    return any(folder.glob("*.dist-info"))


@cache
def _files_of(distribution: str) -> frozenset[Path]:
    """The Python files that an installed distribution consists of; none where it is not installed."""
    try:
        found = importlib.metadata.distribution(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return frozenset()
    files = (file for file in found.files or () if file.suffix in PYTHON_FILES)
    return frozenset(Path(str(found.locate_file(file))).resolve() for file in files)
