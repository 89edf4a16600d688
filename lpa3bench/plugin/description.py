"""What a plugin says of itself in one line, read from its source: a list imports no plugin for it."""

from __future__ import annotations

import inspect
import re

from lpa3bench.errors import printable
from lpa3bench.plugin.code import find_module
from lpa3bench.plugin.registry import Entry

LONGEST = 100
"""Characters of a description."""
_END = r"(?<!\bal)(?<!\bFig)(?<!\be\.g)(?<!\bi\.e)\.(?=\s+[A-Z`\"]|$)"
"""Of a sentence, and not of an abbreviation."""
_DOCSTRING = r'^class {name}\b[^\n]*(?:\n(?![ \t]*"""|class |def )[^\n]*)*?\n[ \t]+"""(.*?)"""'
"""A class with nothing but the rest of its heading before the docstring."""


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
    module, _, name = entry.target.partition(":")
    found = find_module(module)
    if found is None or found.file is None:
        return ""
    text = found.file.read_text(encoding="utf-8", errors="replace")
    docstring = re.search(_DOCSTRING.format(name=re.escape(name)), text, re.DOTALL | re.MULTILINE)
    return opening(docstring[1]) if docstring else ""
