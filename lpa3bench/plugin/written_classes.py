"""A class that a notebook, or the script that runs, has defined, written down as a plugin file.

The whole notebook, or script, would be too much: another cell, or another call at its end, makes no other
plugin. So names are followed: of the class, of the functions and classes beside it that it names, and so on,
with the imports and the plain values that these need. What defines the class is that file, as if it had been
given as one.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import math
import sys
from collections.abc import Iterator
from functools import partial
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any

MAIN = "__main__"
"""The module of what a notebook, or the script that was started, defines."""
_TOP = '''"""{name}, as a notebook or a script has defined it."""

from __future__ import annotations

from lpa3bench import hookimpl as _hookimpl
'''
_HOOK = """
@_hookimpl
def register_{kind}(register):
    register({name!r}, {cls})
"""


def written_file(cls: type, kind: str, name: str) -> str:
    """The text of a plugin file that registers the class; where something of it cannot be written down, one
    that says what and refuses to be imported.

    Raises:
        OSError, TypeError: its source is nowhere to be found.
    """
    follower = _Follower()
    follower.take(cls)
    lost = [f"raise ImportError({f'{what} cannot be written down'!r})" for what in follower.lost]
    lines = [
        _TOP.format(name=name),
        *(follower.imports[key] for key in sorted(follower.imports)),
        *(f"{key} = {text}" for key, text in sorted(follower.values.items())),
        *(f"\n{text}" for text in follower.definitions),
        *sorted(follower.aliases),
        *sorted(lost),
        _HOOK.format(kind=kind, name=name, cls=cls.__name__),
    ]
    return "\n".join(lines)


class _Follower:
    def __init__(self) -> None:
        self.imports: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.definitions: list[str] = []
        """Those that others need come first."""
        self.aliases: set[str] = set()
        self.lost: list[str] = []
        self._taken: set[str] = set()

    def take(self, thing: Any) -> None:
        """Add a class or a function, and what it names."""
        if thing.__qualname__ in self._taken:
            return
        self._taken.add(thing.__qualname__)
        text, whole = _text(thing)
        for name, value in _named(thing, text):
            self._follow(name, value)
        for base in thing.__mro__[1:] if isinstance(thing, type) else ():
            if base.__module__ == MAIN:
                self.take(base)
        if whole:
            self.definitions.append(text)
            return
        members = _plain_members(thing) if isinstance(thing, type) else []
        self._lose(thing.__qualname__, [text, members])

    def _follow(self, name: str, value: Any) -> None:
        inner = inspect.unwrap(value) if callable(value) else value
        module, own = getattr(inner, "__module__", None), getattr(inner, "__qualname__", "")
        if isinstance(value, ModuleType):
            self.imports[name] = f"import {value.__name__} as {name}"
            if "." in value.__name__:
                package, _, last = value.__name__.rpartition(".")
                self.imports[name] = f"from {package} import {last} as {name}"
        elif isinstance(inner, type | FunctionType) and module == MAIN:
            self.take(inner)
            if name != inner.__name__:
                self.aliases.add(f"{name} = {inner.__name__}")
        elif _is_in(module, own, value):
            self.imports[name] = f"from {module} import {own} as {name}"
        elif _is_plain(value):
            self.values[name] = _expression(value)
        elif isinstance(value, partial):
            self._lose(name, [*value.args, *value.keywords.items()])
            self._follow(f"_{name}", value.func)
        else:
            self._lose(name, [type(value).__qualname__, module, own, getattr(value, "__dict__", {})])
            self._follow(f"_{name}", type(value))

    def _lose(self, name: str, told: list[Any]) -> None:
        """Something that no text makes again; what is plain of it counts all the same."""
        self.lost.append(name)
        self.values[f"_{name}".replace(".", "_").replace("<", "").replace(">", "")] = _expression(
            _plain(told)
        )


# ------------------------------------------------------------------------------------------------- values
def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(item) for pair in value.items() for item in pair)
    return value is None or isinstance(value, bool | int | float | complex | str | bytes)


def _plain(value: Any) -> Any:
    """What is plain of a value, with the types of all else."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [*map(_plain, value)]
    return value if _is_plain(value) else type(value).__qualname__


def _expression(value: Any) -> str:
    """A plain value as Python writes it, the same in every process."""
    match value:
        case set() | frozenset():
            return f"{type(value).__name__}([{', '.join(sorted(map(_expression, value)))}])"
        case list():
            return f"[{', '.join(map(_expression, value))}]"
        case tuple():
            return f"({''.join(f'{_expression(item)}, ' for item in value)})"
        case dict():
            return f"{{{', '.join(f'{_expression(k)}: {_expression(v)}' for k, v in value.items())}}}"
        case float() if not math.isfinite(value):
            return f"float('{float(value)}')"
        case float():
            return float.__repr__(value)
    return repr(value)


def _is_in(module: str | None, qualname: str, value: Any) -> bool:
    """Whether a module that can be imported has the value under that name."""
    return module != MAIN and getattr(sys.modules.get(module or ""), qualname, None) is value


# ------------------------------------------------------------------------------------------------- sources
def _text(thing: Any) -> tuple[str, bool]:
    """The source of a class or function, and whether it is a whole definition that stands by itself."""
    whole = "<" not in thing.__qualname__
    for function in _functions(thing):
        lines = linecache.getlines(function.__code__.co_filename)
        found = _definition("".join(lines), thing.__qualname__) if lines else None
        if found is not None:
            return found, whole
    if isinstance(thing, type):
        if texts := [_text(function)[0] for function in _functions(thing) if function.__module__ == MAIN]:
            return "\n".join(texts), False  # made by a function: what it was made of
        if thing.__module__ == MAIN and (text := _in_a_cell(thing.__qualname__)) is not None:
            return text, whole
    return dedent(inspect.getsource(thing)), False


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


def _plain_members(cls: type) -> list[tuple[str, Any]]:
    return sorted((name, v) for name, v in vars(cls).items() if not name.startswith("__") and _is_plain(v))


def _named(thing: Any, text: str) -> list[tuple[str, Any]]:
    """The global and enclosing names that it uses, with their values."""
    try:
        used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    except SyntaxError:  # a lambda in the middle of a call
        used = {name for function in _functions(thing) for name in function.__code__.co_names}
    enclosed: dict[str, Any] = {}
    for function in _functions(thing):
        if function.__module__ == MAIN:
            cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
            enclosed |= {name: cell.cell_contents for name, cell in cells if name != "__class__"}
    around = vars(sys.modules[thing.__module__]) if thing.__module__ in sys.modules else {}
    found = {name: around[name] for name in used if name in around} | enclosed
    return sorted(found.items(), key=lambda item: item[0])
