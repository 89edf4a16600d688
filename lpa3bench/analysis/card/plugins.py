"""Registers what a card's runs are made of. It is given as `--plugin`, so no other config sees it."""

from __future__ import annotations

from pathlib import Path

from lpa3bench.plugin.hookspecs import Register, hookimpl

PLUGIN_FILE = Path(__file__).resolve()
"""For `--plugin`, and for `load_registry` and `open_run`."""


@hookimpl
def register_datasets(register: Register) -> None:
    """Folds of any data set."""
    register("CardFold", "lpa3bench.analysis.card.folds:CardFold")


@hookimpl
def register_backbones(register: Register) -> None:
    """The judge's network, which no shipped config trains."""
    register("JudgeNet", "lpa3bench.analysis.card.judge:JudgeNet")
