"""What a plugin's constructor takes, read from its source: whoever only compares a value imports no torch."""

from __future__ import annotations

import ast

from lpa3bench.plugin.code import find_module
from lpa3bench.plugin.registry import Entry


def written_annotation(entry: Entry, parameter: str) -> str | None:
    """The annotation of a parameter as it is written; None where only running the module would tell.

    It tells where the class is undecorated and has a constructor of its own with that parameter.
    """
    if not isinstance(entry.target, str):
        return None
    module, _, name = entry.target.partition(":")
    found = find_module(module)
    if found is None or found.file is None:
        return None
    try:
        tree = ast.parse(found.file.read_bytes())
    except (SyntaxError, ValueError):
        return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name and not node.decorator_list:
            return _annotation(node, parameter)
    return None


def _annotation(cls: ast.ClassDef, parameter: str) -> str | None:
    for node in cls.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__" and not node.decorator_list:
            for argument in (*node.args.args, *node.args.kwonlyargs):
                if argument.arg == parameter and argument.annotation is not None:
                    return ast.unparse(argument.annotation)
    return None
