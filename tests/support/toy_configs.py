"""Configs of the made-up plugins, loaded from files that a test writes."""

from __future__ import annotations

from pathlib import Path

from lpa3bench.config import Config, load_config
from support import config_plugins
from support.config_plugins import WHOLE

REGISTRY = config_plugins.registry()


def loaded(folder: Path, *texts: str, setting: str | None = None, params: tuple[str, ...] = ()) -> Config:
    """WHOLE and the first text in `a.gin`, the others in overlays `b.gin`, `c.gin`, …"""
    files = []
    for name, text in zip("abcdef", (WHOLE + (texts[0] if texts else ""), *texts[1:]), strict=False):
        files.append(folder / f"{name}.gin")
        files[-1].write_text(text)
    return load_config(files, setting=setting, bindings=params, registry=REGISTRY)


def values(config: Config) -> dict[str, str]:
    return {value.name: value.text for value in config.values}
