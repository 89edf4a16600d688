"""Shipped gin files, loaded once, and the values that they end up with."""

from __future__ import annotations

from functools import cache

from lpa3bench.config import Config, load_config
from lpa3bench.plugin import registry
from lpa3bench.runtime.paths import config_names, resolve_config

SHIPPED = config_names()
OVERLAYS = [name for name in SHIPPED if name.startswith("augmenters/") and name != "augmenters/raw"]
"""Those that bind slots."""
WHOLE = [name for name in SHIPPED if "/" not in name]
# Those of MedMNIST differ in the data alone; one in colour and one in grey stand for them.
KINDS = [n for n in WHOLE if not n.endswith("mnist_supervised") or n.startswith(("pathmnist", "breastmnist"))]


@cache
def loaded(*names: str, setting: str | None = None, bindings: tuple[str, ...] = ()) -> Config:
    files = [resolve_config(name) for name in names]
    return load_config(files, setting=setting, bindings=bindings, registry=registry.load_registry())


def value(config: Config, name: str) -> str:
    """The text of the one value of that name."""
    (found,) = [v.text for v in config.values if v.name == name]
    return found
