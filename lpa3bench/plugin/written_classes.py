"""What a class says that was written in a notebook or in the script that runs: itself, and what it uses.

The whole notebook, or script, would be too much: another cell, or another call at its end, makes no other
plugin. So names are followed: of the class, of the functions and classes beside it that it names, and so on;
modules are left to whoever asks.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any

from lpa3bench.plugin.reading import SourceImport, read_source

MAIN = "__main__"
"""The module of what a notebook, or the script that was started, defines."""


@dataclass(frozen=True)
class WrittenSource:
    """The class and what it names."""

    parts: dict[str, str]
    """What each of them says, by name."""
    modules: frozenset[str]
    """Full names of the modules that they name."""
    imports: tuple[SourceImport, ...]
    """Statements inside of them."""


def written_source(cls: type) -> WrittenSource:
    """What a class of the module MAIN says, or any whose module has no file.

    Raises:
        OSError, TypeError: its source is nowhere to be found.
    """
    follower = _Follower()
    follower.take(cls)
    return WrittenSource(follower.parts, frozenset(follower.modules), tuple(follower.imports))


class _Follower:
    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self.modules: set[str] = set()
        self.imports: list[SourceImport] = []

    def take(self, thing: Any) -> None:
        """Add a class or a function, and what it names."""
        key = f"{thing.__module__}.{thing.__qualname__}"
        if key in self.parts:
            return
        text = _text(thing)
        source = read_source(text.encode())
        plain = repr(_plain_members(thing)) if isinstance(thing, type) and not _is_in(thing, text) else ""
        self.parts[key] = source.meaning + plain
        self.imports += source.imports
        for name, value in _named(thing, text):
            self._follow(f"{key}:{name}", value)
        for base in thing.__mro__[1:] if isinstance(thing, type) else ():
            self._follow(base.__name__, base)

    def _follow(self, key: str, value: Any) -> None:
        value = inspect.unwrap(value) if callable(value) else value
        module = getattr(value, "__module__", None)
        if isinstance(value, ModuleType):
            self.modules.add(value.__name__)
        elif isinstance(value, type | FunctionType) and isinstance(module, str):
            if module == MAIN:
                self.take(value)
            else:
                self.modules.add(module)
        elif _is_plain(value):
            self.parts[key] = repr(value)
        else:  # an object: what its class says
            self.parts[key] = type(value).__qualname__
            self._follow(key, type(value))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(item) for pair in value.items() for item in pair)
    return value is None or isinstance(value, bool | int | float | complex | str | bytes)


def _text(thing: Any) -> str:
    """The source of a class or function, as it stands in its file or cell."""
    for function in _functions(thing):
        lines = linecache.getlines(function.__code__.co_filename)
        found = _definition("".join(lines), thing.__qualname__) if lines else None
        if found is not None:
            return found
    if isinstance(thing, type):
        if texts := [_text(f) for f in _functions(thing) if f.__module__ == MAIN]:
            return "\n".join(texts)  # made by a function: what it was made of
        if thing.__module__ == MAIN and (text := _in_a_cell(thing.__qualname__)) is not None:
            return text
    return dedent(inspect.getsource(thing))


def _in_a_cell(qualname: str) -> str | None:
    """The newest definition of that name in a cell: a class without functions does not tell which one."""
    for name in reversed([*linecache.cache]):
        if "ipykernel" in name or name.startswith("<ipython"):
            text = "".join(linecache.getlines(name))
            if qualname in text and (found := _definition(text, qualname)) is not None:
                return found
    return None


def _functions(thing: Any) -> list[FunctionType]:
    """Those that tell where it was written."""
    if isinstance(thing, FunctionType):
        return [thing]
    members = [
        getattr(member, "__func__", getattr(member, "fget", member)) for member in vars(thing).values()
    ]
    plain = [inspect.unwrap(member) for member in members if callable(member)]
    return [member for member in plain if isinstance(member, FunctionType)]


def _definition(text: str, qualname: str) -> str | None:
    """The definition of that name in a file or cell."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    found: list[ast.stmt] = tree.body
    node: ast.stmt | None = None
    for name in qualname.replace(".<locals>", "").split("."):
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        named = [n for n in _statements(found) if isinstance(n, kinds) and n.name == name]
        if not named:
            return None
        node = named[-1]
        found = node.body
    return None if node is None else ast.unparse(node)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """These, and those within `if`, `with` and `try`."""
    for statement in body:
        yield statement
        for name in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _statements(getattr(statement, name, []))


def _is_in(cls: type, text: str) -> bool:
    return _definition(text, cls.__name__) is not None


def _plain_members(cls: type) -> list[tuple[str, Any]]:
    return sorted((name, v) for name, v in vars(cls).items() if not name.startswith("__") and _is_plain(v))


def _named(thing: Any, text: str) -> list[tuple[str, Any]]:
    """The global and enclosing names that it uses, with their values."""
    try:
        used = {node.id for node in ast.walk(ast.parse(dedent(text))) if isinstance(node, ast.Name)}
    except SyntaxError:  # a lambda in the middle of a call
        used = {name for function in _functions(thing) for name in function.__code__.co_names}
    spaces: dict[str, Any] = {}
    for function in _functions(thing):
        if function.__module__ == MAIN:
            cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
            spaces |= {name: cell.cell_contents for name, cell in cells if name != "__class__"}
    around = vars(sys.modules[thing.__module__]) if thing.__module__ in sys.modules else {}
    spaces = {name: around[name] for name in used if name in around} | spaces
    return sorted(spaces.items(), key=lambda item: item[0])
