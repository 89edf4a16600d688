"""gin's config is global to the process: for a while it gives way to one of ours, and comes back."""

from __future__ import annotations

import importlib.util  # noqa: F401  gin uses it without importing it
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import gin

_LOCK = RLock()
_CONFIG = ("_CONFIG", "_OPERATIVE_CONFIG", "_SINGLETONS")
"""What gin binds, by the names that it has for them."""
_REGISTRY, _INVERSE, _IMPORTS, _LOCKED = "_REGISTRY", "_INVERSE_REGISTRY", "_IMPORTS", "_CONFIG_IS_LOCKED"


@contextmanager
def empty_gin() -> Iterator[None]:
    """Inside the block gin has what gin itself registers and nothing else, and may be filled.

    What the rest of the process has registered and bound, a notebook that uses gin too say, is there again
    afterwards, and what was registered inside is not. One thread at a time.
    """
    with _LOCK:
        state: Any = gin.config
        before = {name: getattr(state, name) for name in (*_CONFIG, _REGISTRY, _INVERSE, _IMPORTS, _LOCKED)}
        own = gin.selector_map.SelectorMap()
        for selector, configurable in before[_REGISTRY].items():
            if selector.startswith("gin."):
                own[selector] = configurable
        inverse = {key: found for key, found in before[_INVERSE].items() if found.selector.startswith("gin.")}
        fresh = {**{name: {} for name in _CONFIG}, _REGISTRY: own, _INVERSE: inverse, _IMPORTS: set()}
        try:
            for name, value in {**fresh, _LOCKED: False}.items():
                setattr(state, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(state, name, value)
