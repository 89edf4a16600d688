"""Reads gin files, and builds what they describe.

gin gives the language: its parser reads the lines, and in the end it builds the objects. What lies between
is ours, because gin knows no settings, layers or origins: `bindings` (which line wins), `resolution` (what
can be reached from `run`), `catalogue` and `lint` (names and types). What gin gets to build from is the
operative config, the very text that a record keeps, so a record cannot tell of another experiment than the
one that was run.

gin's config is global to the process: it is filled, used and cleared under a lock.
"""

from __future__ import annotations

import importlib.util  # noqa: F401  gin uses it without importing it
import os
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import gin
from gin import config_parser

from lpa3bench.bindings import (
    MACRO, RUN, SETTINGS, SLOTS, Binding, Layer, Macro, Origin, Reference, Scopes, kind, mapped, qualified,
    repeated, short,
)  # fmt: skip
from lpa3bench.catalogue import Catalogue
from lpa3bench.errors import BenchError, ConfigError
from lpa3bench.experiment import Experiment
from lpa3bench.lint import name_errors, scope_errors, value_errors
from lpa3bench.paths import gin_root
from lpa3bench.registry import Registry
from lpa3bench.resolution import Node, Tree, dormant, resolve
from lpa3bench.typecheck import Mismatch, advice, fit, literal, nearest

if TYPE_CHECKING:
    from lpa3bench.api import Backbone

_GIN = RLock()


# -------------------------------------------------------------------------------------------------- reading
class _Words(config_parser.ParserDelegate):  # type: ignore[misc]  # gin has no types
    """Turns what gin's parser finds into plain data, and looks nothing up."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> Reference:
        *scopes, selector = scoped_configurable_name.split("/")
        return Reference(tuple(scopes), selector, evaluate)

    def macro(self, macro_name: str) -> Macro:
        return Macro(macro_name)


def _statements(text: str, place: Callable[[int], Origin]) -> Iterator[Any]:
    """gin's statements, one by one.

    Raises:
        ConfigError: the text is no gin.
    """
    try:
        yield from config_parser.ConfigParser(text, _Words())
    except SyntaxError as error:
        raise place(error.lineno or 1).error(_complaint(error)) from None
    except tokenize.TokenError as error:
        line = min(error.args[1][0], text.count("\n") + 1)
        raise place(line).error("a bracket or a quote is not closed") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise place(1).error(f"cannot be read: {error}") from None


def _complaint(error: SyntaxError) -> str:
    """gin's syntax error in one clear line."""
    line, message = (error.text or "").strip(), str(error.msg)
    found = re.search(r"Failed to parse token '(.*)'$", message)
    if found is None:
        rest = (error.text or "")[error.offset or 0 :].strip()
        if message.startswith("Expected newline"):
            return f"unexpected {rest!r}; a value is one literal, without arithmetic"
        return message.splitlines()[0].rstrip(".").lower() + (f" at {rest!r}" if rest else f" in {line!r}" if line else "")
    token = found[1]
    if token.capitalize() in ("True", "False", "None"):
        return f"{token} is written {token.capitalize()}"
    key, _, raw = line.partition("=")
    if re.fullmatch(r"[\w./:+-]+", raw.strip()):
        return f'strings need quotes: {key}="{raw.strip()}"' if "= " not in line else f'strings need quotes: {key}= "{raw.strip()}"'
    return f"{token} is no literal; strings need quotes"
