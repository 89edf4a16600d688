"""Registers what a card's runs are made of. It is given as `--plugin`, so no other config sees it."""

from __future__ import annotations

from pathlib import Path

from lpa3bench.hookspecs import Register, hookimpl

FILE = Path(__file__).resolve()
"""For `--plugin`, and for `registry.load` and `open_run`."""


@hookimpl
def register_datasets(register: Register) -> None:
    """Folds of any data set, and digits whose nuisances are known."""
    register("CardFold", "lpa3bench.probe.folds:CardFold")
    register("NuisanceDigits", "lpa3bench.probe.nuisance:NuisanceDigits")


@hookimpl
def register_backbones(register: Register) -> None:
    """The judge's network, which no shipped config trains."""
    register("JudgeNet", "lpa3bench.probe.judge:JudgeNet")
