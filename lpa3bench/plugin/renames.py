"""Parameters that were called otherwise once, as a class says: `renamed = {"old": "new"}`.

Of a class that is not imported yet this is read from its source, so that whoever only reads names needs no
torch.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from lpa3bench.errors import PluginError
from lpa3bench.plugin.code import ENGINE, OUR_PLUGINS, find_module
from lpa3bench.plugin.reading import SourceImport, absolute
from lpa3bench.plugin.registry import Entry, Registry

ATTRIBUTE = "renamed"


@lru_cache(maxsize=1024)
def renames(entry: Entry) -> Mapping[str, str]:
    """Old name → newer name of the parameters of a plugin, those that it inherits included.

    Raises:
        PluginError: only running its module would tell, and that fails.
    """
    if isinstance(entry.target, str):
        module, _, name = entry.target.partition(":")
        tops = frozenset({module.partition(".")[0], ENGINE, OUR_PLUGINS})
        if (said := _written(module, name, tops)) is not None:
            return said
    return _of_class(entry.load())


def current(entry: Entry, parameter: str) -> str:
    """What a parameter is called now."""
    known, seen = renames(entry), set[str]()
    while parameter in known and parameter not in seen:
        seen.add(parameter)
        parameter = known[parameter]
    return parameter


def first(entry: Entry, parameter: str) -> str:
    """The name that a parameter had when it was new, by which it stands in identities."""
    known, seen = renames(entry), {parameter}
    while older := [old for old, new in known.items() if new == parameter and old not in seen]:
        parameter = older[0]
        seen.add(parameter)
    return parameter


def current_name(name: str, registry: Registry) -> str:
    """A parameter as a record or a board names it, by its word of today.

    Args:
        name: `LPA3.margin`, `augmenters.LPA3.margin` or `positives/LPA3.margin`; any other text, and one that
            names no plugin here, is returned as it is.
    """
    owner, dot, parameter = name.rpartition(".")
    entry = registry.get(owner.rpartition("/")[2].rpartition(".")[2]) if dot else None
    return name if entry is None else f"{owner}.{current(entry, parameter)}"


def current_names(registry: Registry) -> Callable[[str], str]:
    """`current_name`, for many names. The parameters of a plugin that cannot be read keep their names."""

    @cache
    def now(name: str) -> str:
        try:
            return current_name(name, registry)
        except PluginError:
            return name

    return now


def _merged(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {old: new for known in found for old, new in known.items()}


def _of_class(cls: type) -> dict[str, str]:
    return _merged(vars(base).get(ATTRIBUTE, {}) for base in reversed(cls.__mro__))


# -------------------------------------------------------------------------------- of what is not imported yet
def _written(module: str, name: str, tops: frozenset[str]) -> dict[str, str] | None:
    """What a class and those that it inherits from say; None: only running the module would tell.

    Args:
        tops: the top-level packages outside of which no class says anything.
    """
    if module.partition(".")[0] not in tops:
        return {}
    if module in sys.modules:
        loaded = getattr(sys.modules[module], name, None)
        return _of_class(loaded) if isinstance(loaded, type) else None
    found = find_module(module)
    if found is None or found.file is None:
        return None
    outline = _outline(found.file.read_bytes(), module, found.package)
    if name not in outline.classes:
        home, _, attribute = outline.names.get(name, "").rpartition(".")
        return _written(home, attribute, tops) if home else None
    bases, own = outline.classes[name]
    said = [own]
    for base in bases:
        root, dot, rest = base.partition(".")
        if root in outline.names:
            home, _, attribute = f"{outline.names[root]}{dot}{rest}".rpartition(".")
            said.append(_written(home, attribute, tops))
    return None if None in said else _merged(known for known in reversed(said) if known is not None)


@dataclass
class _Outline:
    """What a module says of its classes."""

    classes: dict[str, tuple[tuple[str, ...], dict[str, str] | None]]
    """The classes that each inherits from, as written, and its `renamed`; None: that is no literal."""
    names: dict[str, str]
    """The full name behind each name of a class or an import."""


@lru_cache(maxsize=256)
def _outline(content: bytes, module: str, package: str) -> _Outline:
    found = _Outline({}, {})
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return found
    for node in _statements(tree.body):
        match node:
            case ast.ClassDef(name=name):
                bases = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
                found.classes[name] = tuple(map(ast.unparse, bases)), _said(node)
                found.names[name] = f"{module}.{name}"
            case ast.Import(names=names):
                for alias in names:
                    root = alias.name.partition(".")[0]
                    found.names[alias.asname or root] = alias.name if alias.asname else root
            case ast.ImportFrom(module=source, names=names, level=level):
                home = absolute(SourceImport(level, source or ""), package)
                found.names.update({alias.asname or alias.name: f"{home}.{alias.name}" for alias in names})
    return found


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """With those for type checkers: a name that a module gets when it is asked for stands there."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from node.body
        else:
            yield node


def _said(cls: ast.ClassDef) -> dict[str, str] | None:
    for node in cls.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="renamed")], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id="renamed"), value=ast.expr() as value)
            ):
                try:
                    return dict(ast.literal_eval(value))
                except (ValueError, TypeError):
                    return None
    return {}
