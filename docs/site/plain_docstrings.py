"""Docstrings and help texts are plain English with `code` in backticks; here they become reStructuredText."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

CODE = re.compile(r"``?[^`]+``?")
EMPHASIS = re.compile(r"(?<![\w*])\*[A-Za-z][^*|]*[A-Za-z]\*(?![\w*])|^ *\* ", re.MULTILINE)
ATTRIBUTES = ("attribute", "data", "property")
COLON = "\0"
"""Stands for a colon in an attribute's text while napoleon reads it, to which a colon ends a type."""
MARKUP = re.compile(r"[*|\\]|(?<=\w)_(?!\w)")


def as_rst(text: str) -> str:
    """The text, with nothing in it that only looks like markup."""
    parts = []
    for plain, code in _halves(CODE, text):
        parts += [
            MARKUP.sub(r"\\\g<0>", between) + emphasis for between, emphasis in _halves(EMPHASIS, plain)
        ]
        parts.append(f"``{code.strip('`')}``" if code else "")
    return "".join(parts)


def _halves(pattern: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """What lies before each match, and the match; then the rest."""
    found, end = [], 0
    for match in pattern.finditer(text):
        found.append((text[end : match.start()], match[0]))
        end = match.end()
    return [*found, (text[end:], "")]


def _lines(lines: list[str]) -> None:
    paragraphs = re.split(r"(?<=\n\n)", "\n".join(lines))
    lines[:] = "".join(map(_paragraph, paragraphs)).split("\n")


def _paragraph(text: str) -> str:
    """An example that is indented is left as it stands."""
    indented = all(line.startswith("    ") for line in text.rstrip("\n").split("\n"))
    return f"::\n\n{text}" if indented and text.strip() else as_rst(text)


def _docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    _lines(lines)
    if what in ATTRIBUTES:
        lines[:] = [line.replace(":", COLON) for line in lines]


def _after_napoleon(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = [line.replace(COLON, ":") for line in lines]


def _help(app: Sphinx, ctx: Any, lines: list[str]) -> None:
    lines[:] = as_rst("\n".join(lines)).split("\n")


def _options(app: Sphinx, ctx: Any, lines: list[str]) -> None:
    lines[:] = [line if line.startswith("..") else as_rst(line) for line in lines]


def _arguments(app: Sphinx, ctx: Any, lines: list[str]) -> None:
    """An argument without a name is there to be refused."""
    while ".. option:: " in lines:
        start = lines.index(".. option:: ")
        length = len([*takewhile(lambda line: not line.startswith(".. "), lines[start + 1 :])])
        del lines[start : start + 1 + length]
    if not any(line.startswith(".. option") for line in lines):
        lines.clear()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _docstring, priority=400)
    app.connect("autodoc-process-docstring", _after_napoleon, priority=600)
    handlers: dict[str, Callable[..., None]] = {
        "sphinx-click-process-description": _help,
        "sphinx-click-process-epilog": _help,
        "sphinx-click-process-options": _options,
        "sphinx-click-process-arguments": _arguments,
    }
    for event, handler in handlers.items():
        app.connect(event, handler)
    return {"parallel_read_safe": True}
