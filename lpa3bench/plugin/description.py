"""What a plugin says of itself, read from its source: a list imports no plugin for it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping

from lpa3bench.errors import printable
from lpa3bench.plugin.code import find_module
from lpa3bench.plugin.registry import Entry

LONGEST = 100
"""Characters of a description."""
_END = r"(?<!\bal)(?<!\bFig)(?<!\be\.g)(?<!\bi\.e)\.(?=\s+[A-Z`\"]|$)"
"""Of a sentence, and not of an abbreviation."""
_DOCSTRING = r'^class {name}\b[^\n]*(?:\n(?![ \t]*"""|class |def )[^\n]*)*?\n[ \t]+"""(.*?)"""'
"""A class with nothing but the rest of its heading before the docstring."""
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


def opening(text: str) -> str:
    """The first sentence of a text's first paragraph, in one line; what is long is cut."""
    paragraph = printable(" ".join(inspect.cleandoc(text).partition("\n\n")[0].split()))
    found = re.match(rf".*?{_END}", paragraph)
    sentence = (found[0] if found else paragraph).rstrip(".:")
    if len(sentence) <= LONGEST:
        return sentence
    return f"{sentence[: LONGEST - 1].rpartition(' ')[0]}…"


def summary(entry: Entry) -> str:
    """The first sentence of the class's docstring; empty where it has none, or none is found."""
    if not isinstance(entry.target, str):
        return opening(entry.target.__dict__.get("__doc__") or "")
    text, name = _source(entry.target)
    docstring = re.search(_DOCSTRING.format(name=re.escape(name)), text, re.DOTALL | re.MULTILINE)
    return opening(docstring[1]) if docstring else ""


def paper_of(entry: Entry) -> str:
    """The address of its paper: its class's `paper`, or that of a base in the same module; empty where none
    is told, or what is told is no address."""
    if not isinstance(entry.target, str):
        told = getattr(entry.target, "paper", "")
        return told if isinstance(told, str) and _ADDRESS.fullmatch(told) else ""
    text, name = _source(entry.target)
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return ""
    return _written_paper({node.name: node for node in body if isinstance(node, ast.ClassDef)}, name)


def _written_paper(classes: Mapping[str, ast.ClassDef], name: str) -> str:
    found = classes.get(name)
    for statement in found.body if found else ():
        match statement:
            case (
                ast.Assign(targets=[ast.Name("paper")], value=ast.Constant(str(told)))
                | ast.AnnAssign(target=ast.Name("paper"), value=ast.Constant(str(told)))
            ):
                return told if _ADDRESS.fullmatch(told) else ""
    others = {key: node for key, node in classes.items() if key != name}
    bases = (base.id for base in (found.bases if found else ()) if isinstance(base, ast.Name))
    return next(filter(None, (_written_paper(others, base) for base in bases)), "")


def _source(target: str) -> tuple[str, str]:
    """The text of the module of "module:Class", empty where it has none, and the name of the class."""
    module, _, name = target.partition(":")
    found = find_module(module)
    if found is None or found.file is None:
        return "", name
    return found.file.read_text(encoding="utf-8", errors="replace"), name
