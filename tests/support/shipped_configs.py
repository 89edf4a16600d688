"""Shipped gin files, loaded once, and the values that they end up with."""

from __future__ import annotations

from functools import cache

from lpa3bench.config import Config, load_config
from lpa3bench.plugin import registry
from lpa3bench.runtime.paths import resolve_config


@cache
def loaded(*names: str, setting: str | None = None, bindings: tuple[str, ...] = ()) -> Config:
    files = [resolve_config(name) for name in names]
    return load_config(files, setting=setting, bindings=bindings, registry=registry.load_registry())


def value(config: Config, name: str) -> str:
    """The text of the one value of that name."""
    (found,) = [v.text for v in config.values if v.name == name]
    return found
