"""What a Python file says: its syntax tree as text, and what it imports, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lpa3bench.runtime.files import digest

OPAQUE = frozenset(
    {"exec", "exec_module", "spec_from_file_location", "SourceFileLoader", "iter_modules", "walk_packages",
     "run_path", "run_module"}
)  # fmt: skip
"""Functions that run other files without naming a module."""
BY_NAME = frozenset({"import_module", "__import__"})
UNWRITTEN = frozenset({"type_comment", "kind"})
"""Fields of the syntax tree without a meaning."""


@dataclass(frozen=True)
class SourceImport:
    """`from <level dots><module> import <names>`, or `import <module>`."""

    level: int
    module: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModuleSource:
    """What is in a file."""

    meaning: str
    """The same text for files that differ in comments, docstrings and layout only."""
    imports: tuple[SourceImport, ...] = ()
    opaque: bool = False
    """Whether it imports by names that only running it would tell."""
    versions: str = ""
    """Each class that says a `version` other than 1, and which."""


def absolute(item: SourceImport, package: str) -> str:
    """The full name of the module that an import names, in a module of `package`; "" where there is none."""
    if not item.level:
        return item.module
    parts = package.split(".") if package else []
    above = parts[: len(parts) - item.level + 1]
    return ".".join([*above, *filter(None, [item.module])]) if above else ""


@lru_cache(maxsize=256)
def read_source(content: bytes) -> ModuleSource:
    """Read a module; of one that is no Python source, such as a compiled one, each byte counts."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return ModuleSource(digest(content))
    nodes = [*_nodes(tree)]
    imports = [item for node in nodes for item in _imports(node)]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    versions = " ".join(v for node in nodes if isinstance(node, ast.ClassDef) for v in _versions(node))
    return ModuleSource(_meaning(tree), tuple(imports), any(map(_is_opaque, calls)), versions)


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes, without what only type checkers see."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in child.orelse:
                yield from _nodes(other)
        else:
            yield from _nodes(child)


def _meaning(node: Any) -> str:
    """A syntax tree as text that is the same in every version of Python, as `ast.dump`'s is not."""
    if isinstance(node, list):
        return f"[{','.join(map(_meaning, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in UNWRITTEN}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        fields["body"] = node.body[_is_documented(node) :]
    told = (f"{name}={_meaning(value)}" for name, value in fields.items() if value not in (None, []))
    return f"{type(node).__name__}({','.join(told)})"


def _is_documented(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def _imports(node: ast.AST) -> Iterator[SourceImport]:
    match node:
        case ast.Import(names=names):
            yield from (SourceImport(0, alias.name) for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            yield SourceImport(level, module or "", tuple(alias.name for alias in names))
        case ast.Call(args=[ast.Constant(value=str(name)), *_]) if _called(node) in BY_NAME:
            module = name.lstrip(".")
            yield SourceImport(len(name) - len(module), module)


def _called(call: ast.Call) -> str:
    """The name of the function that is called, without what it is an attribute of."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_opaque(call: ast.Call) -> bool:
    if _called(call) == "exec" and not isinstance(call.func, ast.Name):
        return False  # somebody's method
    return _called(call) in OPAQUE or (_called(call) in BY_NAME and not [*_imports(call)])


def _versions(cls: ast.ClassDef) -> Iterator[str]:
    for statement in cls.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="version")], value=ast.Constant(value=int(version)))
                | ast.AnnAssign(target=ast.Name(id="version"), value=ast.Constant(value=int(version)))
            ) if version != 1:
                yield f"{cls.name}={version}"
